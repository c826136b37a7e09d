import { SolopoError } from '@solopo/contracts';
import { gen, none } from 'stream-chain/core';
import { jsonParser } from 'stream-json/parser.js';
import { streamArray } from 'stream-json/streamers/stream-array.js';

/** Flushes what has begun; its type leaves out that every pipeline takes it. */
const END = none as never;

/**
 * The elements of a JSON array whose text comes in pieces, one at a time. Behind a fault nothing can be told apart, so an
 * array with one is refused as a whole; so is one with an element of many more than `maxLength` characters.
 *
 * @throws SolopoError `dataset-invalid`
 */
export async function* elementsOf(
  pieces: AsyncIterable<string>,
  maxLength: number,
): AsyncGenerator<unknown, void, undefined> {
  const read = gen(jsonParser({ packValues: true, streamValues: false }), streamArray());
  let count = 0;
  let pending = 0;
  const next = async function* (piece: string): AsyncGenerator<unknown, void, undefined> {
    try {
      for await (const { value } of read(piece)) {
        count += 1;
        pending = 0;
        yield value;
      }
    } catch (error) {
      throw new SolopoError(
        'dataset-invalid',
        `The JSON array cannot be read to its end, somewhere behind its element ${count}: ${error instanceof Error ? error.message : String(error)}; mend the file or send it again.`,
        { cause: error },
      );
    }
  };
  for await (const piece of pieces) {
    pending += piece.length;
    yield* next(piece);
    if (pending > maxLength + piece.length)
      throw new SolopoError(
        'dataset-invalid',
        `Element ${count + 1} of the JSON array has more than ${maxLength} characters; leave it out.`,
      );
  }
  yield* next(END);
}
