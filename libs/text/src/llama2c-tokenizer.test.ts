import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { llama2cTokenizerFiles } from './llama2c-tokenizer.ts';
import { dataFolder } from './text-files.fixture.ts';
import { TextModelError } from './text-model.error.ts';
import { TextModel } from './text-model.ts';

const TOK512 = readFileSync(dataFolder('models/stories260k/tok512.bin'));
/** The first ids that the published model gives, and its text. */
const IDS = [
  403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419,
  292,
];
const STORY =
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. ' +
  'One day, she saw a big, red ball. She wanted to play with it, but it was too high.';

const text = TextModel.fromFiles(llama2cTokenizerFiles(TOK512));

/** llama2.c's own encoding: a space before, characters or bytes, then the best of all neighbours again and again. */
function llama2cEncode(story: string): number[] {
  const pieces: { readonly text: string; readonly score: number }[] = [];
  for (let offset = 4; offset < TOK512.length;) {
    const length = TOK512.readInt32LE(offset + 4);
    const score = TOK512.readFloatLE(offset);
    pieces.push({ score, text: TOK512.toString('utf8', offset + 8, offset + 8 + length) });
    offset += 8 + length;
  }
  const idOf = new Map(pieces.map((piece, id) => [piece.text, id]));
  const ids = [...` ${story}`].flatMap((character) => {
    const id = idOf.get(character);
    return id === undefined ? [...Buffer.from(character)].map((byte) => byte + 3) : [id];
  });
  for (;;) {
    let best: { readonly place: number; readonly id: number; readonly score: number } | undefined;
    for (let place = 0; place + 1 < ids.length; place++) {
      const id = idOf.get(pieces[ids[place]!]!.text + pieces[ids[place + 1]!]!.text);
      const score = id === undefined ? -Infinity : pieces[id]!.score;
      if (id !== undefined && score > (best?.score ?? -Infinity)) best = { place, id, score };
    }
    if (!best) return ids;
    ids.splice(best.place, 2, best.id);
  }
}

describe('the tokenizer of stories260K', () => {
  it('gives the published ids for the published text, and the text for the ids', () => {
    const ids = [...text.encode(STORY)];
    expect(ids.slice(0, IDS.length)).toEqual(IDS);
    expect(text.decode(ids)).toBe(STORY);
    expect(STORY.startsWith(text.decode(IDS))).toBe(true);
    expect(text.decode(IDS)).toMatch(
      /^Once upon a time, there was a little girl named Lily\. She loved to play outsid$/,
    );
  });

  it.each([
    STORY,
    'Tim and Sue ran to the big tree. "Look!" said Sue.\nThe cat was not there...',
    'aaaa  bb   the the thethe therere',
    'Ünï 日本語 😀 1,234 <> [x] ~ \t',
    ' leading, trailing ',
    'x',
  ])('encodes as llama2.c does, and back: %j', (story) => {
    expect([...text.encode(story)]).toEqual(llama2cEncode(story));
    expect(text.decode(text.encode(story))).toBe(story);
  });

  it('begins a prompt with <s>, ends an answer with </s>, and stops at both', () => {
    const messages = [{ role: 'user', content: 'Once upon' }] as const;
    expect([...text.promptTokens(messages)]).toEqual([1, 403, 407]);
    expect([...text.responseTokens(messages, ' a time')]).toEqual([261, 378, 2]);
    expect([...text.responseTail]).toEqual([2]);
    expect([text.eosIds, text.padId, text.vocabularySize]).toEqual([[2, 1], 2, 512]);
    expect(text.decode([1, 403, 407, 2], { skipSpecial: true })).toBe('Once upon');
  });

  it('makes the same files each time', () => {
    expect(llama2cTokenizerFiles(TOK512)).toEqual(llama2cTokenizerFiles(Buffer.from(TOK512)));
  });
});

describe('a tokenizer.bin', () => {
  it.each<[string, Buffer, RegExp]>([
    ['that is empty', Buffer.alloc(0), /0 tokens, where 259/],
    ['cut off in a token', TOK512.subarray(0, -1), /token 511 is cut off/],
    ['cut off in a length', TOK512.subarray(0, 4 + 6), /token 0 is cut off/],
    ['with a negative length', Buffer.concat([TOK512.subarray(0, 8), Buffer.alloc(9, 255)]), /token 0 is cut off/],
    ['of bytes alone', TOK512.subarray(0, 4 + 8 + 5 + 8 + 5 + 8 + 6 + 256 * 14), /259 tokens, where 259/],
    ['with a token twice', Buffer.concat([TOK512, TOK512.subarray(-11)]), /token 512 is empty or there before/],
    ['without scores', Buffer.concat([TOK512, Buffer.from([0, 0, 192, 127, 1, 0, 0, 0, 65])]), /score of token 512/],
    ['of no text', Buffer.concat([TOK512, Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 255])]), /token 512 is not UTF-8/],
  ])('%s is refused', (_, bytes, reason) => {
    expect(() => llama2cTokenizerFiles(bytes)).toThrow(TextModelError);
    expect(() => llama2cTokenizerFiles(bytes)).toThrow(reason);
  });
});
