import type { DatasetFormat, Example } from '@solopo/contracts';
import type { z } from 'zod';
import { twoWikiSchema } from './2wiki.reader.ts';
import { hotpotqaSchema } from './hotpotqa.reader.ts';
import { musiqueSchema } from './musique.reader.ts';
import { solopoSchema } from './solopo.reader.ts';

const SCHEMAS: Record<DatasetFormat, z.ZodType<Example>> = {
  solopo: solopoSchema,
  musique: musiqueSchema,
  hotpotqa: hotpotqaSchema,
  '2wiki': twoWikiSchema,
};

/** One line of a data set, by its number from 1: the example in it, or why there is none. */
export type ReadLine =
  { readonly line: number; readonly example: Example } | { readonly line: number; readonly reason: string };

/**
 * Reads JSON lines, from a whole text or line by line. A line that cannot be read is reported and the rest is read on;
 * so is an id that was there before. Blank lines count but say nothing.
 */
export async function* readExamples(
  lines: AsyncIterable<string> | string,
  format: DatasetFormat,
): AsyncGenerator<ReadLine, void, undefined> {
  const firstLines = new Map<string, number>();
  let line = 0;
  for await (const text of typeof lines === 'string' ? lines.split('\n') : lines) {
    line += 1;
    const content = (line === 1 ? text.replace(/^\uFEFF/, '') : text).trim();
    if (content === '') continue;
    const read = readExample(content, format);
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

function readExample(content: string, format: DatasetFormat): { example: Example } | { reason: string } {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    return { reason: `not JSON: ${(error as Error).message}` };
  }
  const parsed = SCHEMAS[format].safeParse(value);
  if (parsed.success) return { example: parsed.data };
  return { reason: parsed.error.issues.map((issue) => `${pathOf(issue.path)}${issue.message}`).join('; ') };
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.length > 0 ? `${path.map(String).join('.')}: ` : '';
}
