import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  formatAdapterConfig,
  formatModelConfig,
  frozenWeightsOf,
  initialise,
  parseModelConfig,
  readSafetensors,
  writeSafetensors,
  type LoraOptions,
} from '@solopo/lm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TaskRunner } from './task-runner.ts';
import type { ModelSource, Tasks } from './tasks.ts';

const lora: LoraOptions = { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj', 'down_proj'], rsLora: false };
const config = parseModelConfig({
  model_type: 'llama',
  vocab_size: 30,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 24,
});
const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * 7 + salt * 3) % 30);
const trees = [{ prompt: ids(12, 1), branches: [ids(4, 2), ids(5, 3)] }];

let folder = '';
const runner = new TaskRunner({ threads: 1 });
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-tasks-'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig(config)));
  writeSafetensors(
    join(folder, 'model.safetensors'),
    initialise(config, { seed: 1, embeddingStd: 0.5, residualScale: 1 }),
  );
});
afterAll(async () => {
  await runner.runtime.close();
  rmSync(folder, { recursive: true });
});

const score = async (model: ModelSource): Promise<number[]> => {
  const { logps } = await runner.run('score', { model, trees, batchTokens: 1000 }, () => undefined);
  return logps.flatMap((tree) => tree.flatMap((branch) => [...branch]));
};

test('sampling and scoring whose time is over end after a batch, and what follows is what it would have been', async () => {
  const model = { folder };
  const prompts = [ids(6, 1), ids(9, 2), ids(7, 3)].map((tokens, i) => ({ tokens, key: [i, 1] as const }));
  const options = { samplesPerPrompt: 2, temperature: 1, topP: 1, maxNewTokens: 3, eosIds: [], seed: 4 };
  const input = { model, prompts, options, batchTokens: 26 };
  const silent = (): void => undefined;
  const { samples: all } = await runner.run('sample', input, silent);
  const { samples: first } = await runner.run('sample', { ...input, sliceMs: 0, cacheBytes: 1 }, silent);
  expect([first.length, all.length]).toEqual([1, 3]);
  const { samples: rest } = await runner.run('sample', { ...input, prompts: prompts.slice(1) }, silent);
  expect([...first, ...rest]).toEqual(all);

  const several = [...trees, { prompt: ids(5, 9), branches: [ids(2, 1)] }];
  const scored = await runner.run('score', { model, trees: several, batchTokens: 1, sliceMs: 0 }, silent);
  expect(scored).toMatchObject({ logps: [[{ length: 4 }, { length: 5 }]], tokens: 21 });
});

/** A slice of SFT steps: it needs no reference. */
function slice(
  model: ModelSource,
  name: string,
  fromStep: number,
  steps: number,
  optimizerState?: string,
): Tasks['trainSlice']['input'] {
  return {
    model,
    ...(optimizerState ? { optimizerState } : {}),
    fromStep,
    options: {
      arm: 'sft',
      objective: { kind: 'sft', context: 'short' },
      alignment: {
        alpha: 0,
        reference: 'shared',
        distance: 'absolute',
        sides: 'two',
        detach: 'short',
        deadZone: 0,
        fraction: 1,
      },
      optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
      schedule: { learningRate: 1e-2, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
      clipNorm: 1,
      microBatchTokens: 1000,
      steps: 4,
    },
    pairs: [{ short: ids(12, 1), chosen: ids(4, 2), rejected: ids(5, 3), reference: {} }],
    batches: Array.from({ length: steps }, () => [0]),
    out: { weights: join(folder, `${name}.safetensors`), optimizerState: join(folder, `${name}.state`) },
  };
}

test("an adapter is trained in slices as in one go, written in PEFT's names, and leaves the base alone", async () => {
  const base = await score({ folder });
  const fresh = { folder, adapter: { options: lora, seed: 7 } };
  expect(await score(fresh)).toEqual(base);
  const whole = slice(fresh, 'whole', 0, 4);
  await runner.run('trainSlice', whole, () => undefined);
  const first = slice(fresh, 'first', 0, 2);
  const { steps } = await runner.run('trainSlice', first, () => undefined);
  const inEach = ['data', 'forward', 'loss', 'backward', 'optimizer'];
  expect(Object.keys(steps[0]!.phaseSeconds).sort()).toEqual([...inEach, 'load'].sort());
  expect(Object.keys(steps[1]!.phaseSeconds).sort()).toEqual([...inEach, 'checkpoint'].sort());
  const second = slice(
    { folder, adapter: { options: lora, weights: first.out.weights } },
    'second',
    2,
    2,
    first.out.optimizerState,
  );
  await runner.run('trainSlice', second, () => undefined);

  const tensors = readSafetensors(whole.out.weights).tensors;
  expect([...readSafetensors(second.out.weights).tensors]).toEqual([...tensors]);
  expect([...tensors.keys()][0]).toBe('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight');
  const adapted = await score({ folder, adapter: { options: lora, weights: whole.out.weights } });
  expect(adapted.slice(0, 4).reduce((a, b) => a + b)).toBeGreaterThan(base.slice(0, 4).reduce((a, b) => a + b));
  expect(await score({ folder })).toEqual(base);
});

test('weights in another format have a fingerprint, scores and checkpoints of their own; training needs an adapter', async () => {
  const formats = ['float32', 'float16', 'int8'] as const;
  const fingerprints = await Promise.all(
    formats.map((frozenWeights) => runner.run('fingerprint', { frozenWeights }, () => undefined)),
  );
  expect(new Set(fingerprints).size).toBe(3);
  expect(await runner.run('fingerprint', {}, () => undefined)).toBe(fingerprints[0]);
  expect(fingerprints.map(frozenWeightsOf)).toEqual(formats);

  const base = await score({ folder });
  expect(await score({ folder, frozenWeights: 'float32' })).toEqual(base);
  for (const frozenWeights of ['float16', 'int8'] as const) {
    const lower = await score({ folder, frozenWeights });
    expect(lower).not.toEqual(base);
    lower.forEach((logp, i) => expect(Math.abs(logp - base[i]!)).toBeLessThan(frozenWeights === 'int8' ? 0.3 : 0.02));
    // Under a fresh adapter, which changes nothing, the frozen weights are the reference's, to the last bit.
    const source = { folder, adapter: { options: lora, seed: 7 }, frozenWeights };
    expect(await score(source)).toEqual(lower);
    const taken = slice(source, frozenWeights, 0, 1);
    await runner.run('trainSlice', taken, () => undefined);
    expect(readSafetensors(taken.out.weights).metadata).toMatchObject({ frozen_weights: frozenWeights });
  }
  const whole = slice({ folder, frozenWeights: 'int8' }, 'refused', 0, 1);
  await expect(runner.run('trainSlice', whole, () => undefined)).rejects.toThrow(/train an adapter/);
  const exact = slice({ folder, adapter: { options: lora, seed: 7 } }, 'exact', 0, 1);
  await runner.run('trainSlice', exact, () => undefined);
  expect(readSafetensors(exact.out.weights).metadata).not.toHaveProperty('frozen_weights');
});

test('an adapter for another model is refused by the tensor that does not fit', async () => {
  const { out } = slice({ folder }, 'whole', 0, 0);
  const other = { folder, adapter: { options: { ...lora, rank: 3 }, weights: out.weights } };
  await expect(score(other)).rejects.toThrow(/lora_A.weight" has shape \[2, 16\].* ask for \[3, 16\]/);
  expect(formatAdapterConfig(lora, 'x')).toMatchObject({
    r: 2,
    lora_alpha: 4,
    target_modules: ['q_proj', 'v_proj', 'down_proj'],
  });
});

test('an inspected response has the log-probabilities of its score, and where each layer looked', async () => {
  const [{ prompt, branches }] = trees as [(typeof trees)[0]];
  const rows = branches.map((response) => ({ prompt, response, evidence: [{ start: 2, end: 5 }] }));
  const inspected = await runner.run('inspect', { model: { folder }, rows }, () => undefined);
  const scored = await score({ folder });
  inspected.flatMap(({ logps }) => [...logps]).forEach((logp, index) => expect(logp).toBeCloseTo(scored[index]!, 5));
  for (const { attention } of inspected) {
    expect(attention).toHaveLength(config.layers);
    for (const { evidence, rest, response } of attention) expect(evidence + rest + response).toBeCloseTo(1, 5);
  }
});
