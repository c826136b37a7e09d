import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LanguageModel, Runtime } from '@solopo/lm';
import { TextModel } from '@solopo/text';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ran } from '../command-line/terminal.fixture.ts';
import { dataPath } from '../demo/data-folder.ts';
import type { Generated } from '../generate/generate.ts';

/** As llama2.c itself decodes the model greedily from token 1. */
const REFERENCE_IDS = [
  403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419,
  292,
];
const REFERENCE_TEXT =
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.';

const WEIGHTS = dataPath('models/stories260k/stories260K.bin');
const TOKENIZER = dataPath('models/stories260k/tok512.bin');

let folder: string;
const path = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-convert-'));
  const { code, err } = await ran([
    'convert',
    'llama2c',
    '--weights',
    WEIGHTS,
    '--tokenizer',
    TOKENIZER,
    '--out',
    path('stories'),
  ]);
  expect([code, err]).toEqual([0, '']);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('stories260K, converted', () => {
  it('is a Hugging Face folder', async () => {
    const runtime = new Runtime({ threads: 1 });
    const text = await TextModel.fromFolder(path('stories'));
    expect(LanguageModel.fromFolder(path('stories'), runtime).config).toMatchObject({
      family: 'llama',
      vocabSize: 512,
      layers: 5,
    });
    expect([text.vocabularySize, text.eosIds]).toEqual([512, [2, 1]]);
    await runtime.close();
  });

  it('tells its story to the letter', async () => {
    const { code, out } = await ran(['generate', path('stories'), '--max-new-tokens', '100', '--json']);
    expect(code).toBe(0);
    const { promptIds, ids, text } = JSON.parse(out) as Generated;
    expect(promptIds).toEqual([1]);
    expect(ids.slice(0, REFERENCE_IDS.length)).toEqual(REFERENCE_IDS);
    expect(text.slice(0, REFERENCE_TEXT.length)).toBe(REFERENCE_TEXT);
  });

  it('goes on with a prompt as with its own words', async () => {
    const prompt = 'Once upon a time, there was a little girl named Lily.';
    const { out } = await ran(['generate', path('stories'), '--prompt', prompt, '--max-new-tokens', '70']);
    expect(out.slice(0, REFERENCE_TEXT.length)).toBe(REFERENCE_TEXT);
  });
});

describe('a llama2.c file', () => {
  it.each([
    [
      'a truncated model',
      () => [readFileSync(WEIGHTS).subarray(0, -4), readFileSync(TOKENIZER)],
      /bytes, its header asks for/,
    ],
    ['a truncated tokenizer', () => [readFileSync(WEIGHTS), readFileSync(TOKENIZER).subarray(0, -1)], /cut off/],
  ])('%s is refused, and no folder is made', async (_, make, message) => {
    const [weights, tokenizer] = make() as [Buffer, Buffer];
    writeFileSync(path('w'), weights);
    writeFileSync(path('t'), tokenizer);
    const { code, err } = await ran([
      'convert',
      'llama2c',
      '--weights',
      path('w'),
      '--tokenizer',
      path('t'),
      '--out',
      path('out'),
    ]);
    expect([code, err]).toEqual([1, expect.stringMatching(message)]);
    expect(readdirSync(folder).sort()).toEqual(['stories', 't', 'w']);
  });

  it('that is not there is named', async () => {
    const { code, err } = await ran([
      'convert',
      'llama2c',
      '--weights',
      path('none'),
      '--tokenizer',
      TOKENIZER,
      '--out',
      path('out'),
    ]);
    expect([code, err]).toEqual([2, expect.stringContaining(`${path('none')} cannot be read`)]);
  });
});
