import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { LanguageModel, packSequences, readLlama2c, Runtime, sample } from './index.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());
const file = readFileSync(fileURLToPath(new URL('../../../data/models/stories260k/stories260K.bin', import.meta.url)));

test('stories260K, a pretrained Llama, continues token 1 with its published ids', async () => {
  const { config, weights } = readLlama2c(file);
  const model = new LanguageModel(config, weights, runtime);
  const [[story]] = (await sample(model, [{ tokens: Int32Array.of(1), key: [0, 0] }], {
    samplesPerPrompt: 1,
    temperature: 0,
    topP: 1,
    maxNewTokens: 24,
    eosIds: [2],
    seed: 0,
  })) as unknown as [[{ tokens: Int32Array }]];
  expect([...story.tokens]).toEqual([
    403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419,
    292,
  ]);
  // Far from the loss of a model whose rotary pairs or heads are mixed up.
  const tokens = Int32Array.of(1, ...story.tokens);
  const { logps } = await model.targetLogps(await model.forward(packSequences([tokens])));
  expect(-logps.reduce((a, b) => a + b, 0) / logps.length).toBeLessThan(1);
});

test('a truncated file is refused with both sizes', () => {
  expect(() => readLlama2c(file.subarray(0, 1000))).toThrow(/has 1000 bytes, its header asks for 1056540/);
});
