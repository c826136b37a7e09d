import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './bootstrap/run.mjs';
import { adapterParameters, markdown, MODELS, parameters, plan, table, TABLES } from './scale.mjs';

/** Without what columns are padded with. */
const rowsOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.replaceAll(/\s+/g, ''))
    .filter((line) => !line.includes('---'));

it('the tables of docs/scale.md are those that are computed', () => {
  const page = rowsOf(readFileSync(join(ROOT, 'docs/scale.md'), 'utf8'));
  for (const given of Object.values(TABLES))
    expect(page).toEqual(expect.arrayContaining(rowsOf(markdown(table(given)))));
});

it.each([
  // As the models' cards have them; biases of Qwen's projections are left out.
  ['7B', 7.6156e9],
  ['32B', 32.764e9],
  ['70B', 70.554e9],
] as const)('%s has the parameters of the published model', (model, count) => {
  expect(parameters(MODELS[model]).all / count).toBeCloseTo(1, 3);
});

it('LoRA of rank 16 on Llama-3.1-70B has the 207 million parameters that PEFT counts', () => {
  expect(adapterParameters(MODELS['70B'], 16)).toBe(207_093_760);
});

it('ranks divide the states and, where they share a sequence, the activations', () => {
  const given = { model: '32B', short: 1024, long: 8192, adapter: false } as const;
  const [eight, sixteen] = [8, 16].map((ranks) => plan({ ...given, ranks, sequenceRanks: 1 }));
  expect(eight?.memory.states).toBe(2 * (sixteen?.memory.states ?? 0));
  const shared = plan({ ...given, ranks: 8, sequenceRanks: 4 });
  expect(shared.memory.activations).toBe((eight?.memory.activations ?? 0) / 4);
  expect(shared.wire.sequence).toBeGreaterThan(0);
});
