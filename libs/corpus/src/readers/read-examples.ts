import { UNSTORABLE, unstorableTexts, type DatasetFormat, type Example } from '@solopo/contracts';
import type { z } from 'zod';
import { twoWikiSchema } from './2wiki.reader.ts';
import { hotpotqaSchema } from './hotpotqa.reader.ts';
import { musiqueSchema } from './musique.reader.ts';
import { plainReasons } from './plain-reasons.ts';
import { recordsOf } from './records.ts';
import { solopoSchema } from './solopo.reader.ts';

const SCHEMAS: Record<DatasetFormat, z.ZodType<Example>> = {
  solopo: solopoSchema,
  musique: musiqueSchema,
  hotpotqa: hotpotqaSchema,
  '2wiki': twoWikiSchema,
};

/** One line of a data set, or one element of its array, by its number from 1: the example in it, or why there is none. */
export type ReadLine =
  { readonly line: number; readonly example: Example } | { readonly line: number; readonly reason: string };

/** Of an example, in characters. */
const MAX_LENGTH = 2 ** 26;

/**
 * Reads JSON lines or a JSON array, from a whole text or as it comes. A line that cannot be read is reported and the rest is
 * read on; so is an id that was there before.
 *
 * @throws SolopoError `dataset-invalid` for an array that is no JSON, and for a file of another kind
 */
export async function* readExamples(
  content: AsyncIterable<Uint8Array | string> | string,
  format: DatasetFormat,
  { maxLength = MAX_LENGTH }: { readonly maxLength?: number } = {},
): AsyncGenerator<ReadLine, void, undefined> {
  const firstLines = new Map<string, number>();
  const chunks = typeof content === 'string' ? ReadableStream.from([content]) : content;
  for await (const record of recordsOf(chunks, maxLength)) {
    const { line } = record;
    const read = 'reason' in record ? record : readExample(record.value, format);
    if ('reason' in read) {
      yield { line, reason: read.reason };
      continue;
    }
    const first = firstLines.get(read.example.id);
    if (first !== undefined) {
      yield { line, reason: `id ${JSON.stringify(read.example.id)} was already on line ${first}` };
      continue;
    }
    firstLines.set(read.example.id, line);
    yield { line, example: read.example };
  }
}

function readExample(value: unknown, format: DatasetFormat): { example: Example } | { reason: string } {
  const parsed = SCHEMAS[format].safeParse(value, { error: plainReasons });
  if (!parsed.success)
    return { reason: parsed.error.issues.map((issue) => `${pathOf(issue.path)}${issue.message}`).join('; ') };
  const [unstorable] = unstorableTexts(parsed.data);
  return unstorable === undefined ? { example: parsed.data } : { reason: `${pathOf(unstorable)}${UNSTORABLE}` };
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.length > 0 ? `${path.map(String).join('.')}: ` : '';
}
