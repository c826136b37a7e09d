import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TextFiles } from './text-files.ts';
import { TextModel } from './text-model.ts';

/** A sample of what `npm run conformance` compares, with what the libraries of `versions` give. */
interface Fixture {
  readonly versions: Readonly<Record<string, string>>;
  readonly tokenizers: Readonly<
    Record<string, { files: TextFiles; texts: string[]; ids: number[][]; lists: number[][]; decoded: string[] }>
  >;
}

const { tokenizers } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/conformance.json'), 'utf8'),
) as Fixture;

describe.each(Object.entries(tokenizers))('the tokenizer "%s"', (_, { files, texts, ids, lists, decoded }) => {
  const text = TextModel.fromFiles(files);

  it('gives the ids of AutoTokenizer', () => {
    expect(text.encodeAll(texts).map((each) => [...each])).toEqual(ids);
  });

  it('decodes as AutoTokenizer does', () => {
    expect(text.decodeAll(lists)).toEqual(decoded);
  });
});
