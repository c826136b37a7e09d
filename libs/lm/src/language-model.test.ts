import { afterAll, describe, expect, test } from 'vitest';
import {
  initialise,
  LanguageModel,
  packSequences,
  packTrees,
  PreferenceTrainer,
  Runtime,
  sample,
  scoreTrees,
  sumOf,
  zeroGradients,
  type ModelConfig,
  type PreferenceOptions,
  type Sample,
  type TrainingPair,
} from './index.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const config: ModelConfig = {
  family: 'qwen2',
  vocabSize: 50,
  hiddenSize: 24,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headSize: 6,
  intermediateSize: 40,
  ropeTheta: 100,
  rmsNormEps: 1e-6,
  tiedEmbeddings: true,
  maxPositions: 4096,
};

/** A model whose every weight is random, biases and norms too, so that no gradient is 0 by chance. */
function model(seed = 1, changes: Partial<ModelConfig> = {}): LanguageModel {
  const changed = { ...config, ...changes };
  const weights = initialise(changed, { seed, embeddingStd: 0.7, residualScale: 1 });
  for (const [name, { dims, data }] of weights)
    if (dims.length === 1) data.forEach((value, i) => (data[i] = value + 0.3 * Math.sin(i * 7 + name.length)));
  return new LanguageModel(changed, weights, runtime);
}

const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 50);
const closeTo = (a: Float32Array, b: Float32Array, tolerance: number): void => {
  expect(a.length).toBe(b.length);
  a.forEach((value, i) =>
    expect(Math.abs(value - b[i]!), `element ${i}: ${value} and ${b[i]}`).toBeLessThan(tolerance),
  );
};

describe('shared prompts', () => {
  test.each([9, 300, 700])('a tree over a prompt of %i tokens scores what its rows score apart', async (length) => {
    const lm = model();
    const prompt = ids(length, 1);
    const branches = [ids(5, 2), ids(8, 3), ids(1, 4)];
    const [together] = await scoreTrees(lm, [{ prompt, branches }], { batchTokens: 1 });
    for (const [i, branch] of branches.entries()) {
      const [apart] = await scoreTrees(lm, [{ prompt, branches: [branch] }], { batchTokens: 1 });
      closeTo(together![i]!, apart![0]!, 1e-5);
    }
  });

  test('padding and neighbours in a batch change nothing', async () => {
    const lm = model();
    const trees = [5, 40, 17].map((length, i) => ({
      prompt: ids(length, i),
      branches: [ids(4, i + 5), ids(6, i + 9)],
    }));
    const together = await scoreTrees(lm, trees, { batchTokens: 1000 });
    const apart = await scoreTrees(lm, trees, { batchTokens: 1 });
    together.forEach((tree, i) => tree.forEach((logps, branch) => closeTo(logps, apart[i]![branch]!, 1e-5)));
  });

  test('the gradient of a tree is that of its rows run apart', async () => {
    const lm = model();
    const prompt = ids(300, 1);
    const branches = [ids(5, 2), ids(8, 3)];
    const together = zeroGradients(config);
    const shared = await lm.forward(packTrees([{ prompt, branches }]));
    await lm.backward(shared, new Float32Array(13).fill(1), together);
    const apart = zeroGradients(config);
    const rows = await lm.forward(packTrees(branches.map((branch) => ({ prompt, branches: [branch] }))));
    await lm.backward(rows, new Float32Array(13).fill(1), apart);
    for (const [name, gradient] of together) {
      const scale = Math.max(...apart.get(name)!.map(Math.abs), 1e-3);
      closeTo(
        gradient.map((x) => x / scale),
        apart.get(name)!.map((x) => x / scale),
        1e-4,
      );
    }
  });
});

describe('gradients', () => {
  test.each([
    ['tied', {}],
    ['untied', { tiedEmbeddings: false }],
  ])('every parameter of a %s model agrees with central differences', async (_, changes) => {
    const lm = model(3, changes);
    // Over two attention chunks, with branches.
    const batch = packTrees([
      { prompt: ids(270, 1), branches: [ids(6, 2), ids(4, 3)] },
      { prompt: ids(20, 5), branches: [ids(3, 6), ids(5, 7)] },
    ]);
    const dLogps = Float32Array.from(batch.targets, (_target, i) => Math.cos(i));
    const loss = async (): Promise<number> =>
      (await lm.targetLogps(await lm.forward(batch))).logps.reduce((sum, logp, i) => sum + logp * dLogps[i]!, 0);
    const gradients = zeroGradients(lm.config);
    await lm.backward(await lm.forward(batch), dLogps, gradients);
    for (const [name, { data }] of lm.weights) {
      const gradient = gradients.get(name)!;
      // Along the gradient itself, where the slope is its norm.
      const norm = Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0));
      expect(norm, name).toBeGreaterThan(1e-3);
      const original = Float32Array.from(data);
      const step = 1e-2 / Math.max(1, Math.sqrt(norm));
      const at = async (by: number): Promise<number> => {
        data.forEach((_x, i) => (data[i] = original[i]! + (by * gradient[i]!) / norm));
        return loss();
      };
      const slope = ((await at(step)) - (await at(-step))) / (2 * step);
      data.set(original);
      expect(Math.abs(slope / norm - 1), `${name}: slope ${slope}, norm ${norm}`).toBeLessThan(5e-3);
    }
  });

  test('full sequences are scored at every token', async () => {
    const lm = model();
    const tokens = ids(30, 4);
    const { logps } = await lm.targetLogps(await lm.forward(packSequences([tokens])));
    const [[asBranch]] = (await scoreTrees(lm, [{ prompt: tokens.slice(0, 10), branches: [tokens.slice(10)] }], {
      batchTokens: 1,
    })) as [[Float32Array]];
    closeTo(logps.slice(9), asBranch, 1e-5);
  });
});

describe('sampling', () => {
  const prompts = [ids(12, 1), ids(30, 2)].map((tokens, i) => ({ tokens, key: [i, 77] as const }));
  const options = { samplesPerPrompt: 3, temperature: 2, topP: 1, maxNewTokens: 6, eosIds: [], seed: 5 };

  test('the key-value cache gives the log-probabilities of a full forward pass', async () => {
    const lm = model();
    const samples = await sample(lm, prompts, options);
    const scores = await scoreTrees(
      lm,
      samples.map((row, i) => ({ prompt: prompts[i]!.tokens, branches: row.map(({ tokens }) => tokens) })),
      { batchTokens: 1 },
    );
    samples.forEach((row, i) =>
      row.forEach(({ logp, tokens }, j) => {
        expect(tokens.length).toBe(6);
        expect(logp).toBeCloseTo(sumOf(scores[i]![j]!), 4);
      }),
    );
    expect(new Set(samples.flat().map(({ tokens }) => tokens.join())).size).toBeGreaterThan(3);
  });

  test('a sample depends on its own prompt, seed and number, not on its batch', async () => {
    const lm = model();
    const together = await sample(lm, prompts, options);
    const alone = await sample(lm, [prompts[1]!], { ...options, samplesPerPrompt: 2 });
    expect(alone[0]!.map(({ tokens }) => [...tokens])).toEqual(
      together[1]!.slice(0, 2).map(({ tokens }) => [...tokens]),
    );
    const other = await sample(lm, [prompts[1]!], { ...options, seed: 6 });
    expect(other[0]!.map(({ tokens }) => [...tokens])).not.toEqual(together[1]!.map(({ tokens }) => [...tokens]));
  });

  test('temperature 0 takes the most likely token of a full forward pass, and the end token ends', async () => {
    const lm = model();
    const [[greedy]] = (await sample(lm, [prompts[0]!], {
      ...options,
      samplesPerPrompt: 1,
      temperature: 0,
    })) as unknown as [[Sample]];
    const batch = packTrees([{ prompt: prompts[0]!.tokens, branches: [greedy.tokens] }]);
    const { hits } = await lm.targetLogps(await lm.forward(batch));
    expect([...hits]).toEqual([1, 1, 1, 1, 1, 1]);
    const [[ended]] = (await sample(lm, [prompts[0]!], {
      ...options,
      samplesPerPrompt: 1,
      temperature: 0,
      eosIds: [greedy.tokens[2]!],
    })) as unknown as [[Sample]];
    const first = greedy.tokens.indexOf(greedy.tokens[2]!);
    expect([...ended.tokens]).toEqual([...greedy.tokens.slice(0, first)]);
    expect(ended.finish).toBe('stop');
  });
});

describe('preference training', () => {
  const options: PreferenceOptions = {
    arm: 'solo',
    objective: { kind: 'dpo', beta: 0.5 },
    alignment: { alpha: 2, reference: 'shared', detach: 'none', deadZone: 1e-5 },
    optimizer: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0 },
    schedule: { learningRate: 1e-3, schedule: 'cosine', warmupRatio: 0.1, finalLearningRateRatio: 0.1 },
    clipNorm: 1,
    microBatchTokens: 10_000,
    steps: 10,
  };

  async function pairs(lm: LanguageModel, same = false): Promise<TrainingPair[]> {
    return Promise.all(
      [1, 2, 3, 4].map(async (salt) => {
        const short = ids(15 + salt, salt);
        const long = same ? short : ids(40 + 5 * salt, salt + 20);
        const [chosen, rejected] = [ids(3, salt + 30), ids(4, salt + 40)];
        const scores = await scoreTrees(
          lm,
          [short, long].map((prompt) => ({ prompt, branches: [chosen, rejected] })),
          { batchTokens: 1 },
        );
        const [[shortChosen, shortRejected], [longChosen, longRejected]] = scores.map((tree) => tree.map(sumOf)) as [
          [number, number],
          [number, number],
        ];
        return { short, long, chosen, rejected, reference: { shortChosen, shortRejected, longChosen, longRejected } };
      }),
    );
  }

  test.each(['short', 'expand-long', 'solo'] as const)(
    'at step 0 the %s arm has loss ln 2 plus its alignment, and rewards 0',
    async (arm) => {
      const lm = model();
      const { metrics } = await new PreferenceTrainer(lm, {
        ...options,
        arm,
        alignment: { ...options.alignment, reference: 'per-context' },
      }).takeStep(await pairs(lm));
      expect(metrics.loss).toBeCloseTo(Math.LN2, 5);
      expect(metrics['rewards/chosen']).toBeCloseTo(0, 5);
      expect(metrics['rewards/rejected']).toBeCloseTo(0, 5);
    },
  );

  test('with x_long = x_short, ten steps with alpha > 0 end where plain DPO ends', async () => {
    const [plain, solo] = [model(), model()];
    const data = await pairs(plain, true);
    const a = new PreferenceTrainer(plain, { ...options, arm: 'short' });
    const b = new PreferenceTrainer(solo, options);
    for (let step = 0; step < 10; step++) {
      const [x, y] = [await a.takeStep(data), await b.takeStep(data)];
      expect(y.metrics.loss).toBeCloseTo(x.metrics.loss!, 5);
    }
    for (const [name, { data: values }] of plain.weights) closeTo(values, solo.weights.get(name)!.data, 1e-4);
  });

  test('the micro-batch size changes nothing beyond rounding', async () => {
    const [whole, small] = [model(), model()];
    const data = await pairs(whole);
    const a = await new PreferenceTrainer(whole, options).takeStep(data);
    const b = await new PreferenceTrainer(small, { ...options, microBatchTokens: 1 }).takeStep(data);
    expect(b.metrics.loss).toBeCloseTo(a.metrics.loss!, 5);
    expect(b.metrics.grad_norm).toBeCloseTo(a.metrics.grad_norm!, 4);
  });

  test('steps lower the loss, and a trainer resumed from its state is bit-identical to one that never stopped', async () => {
    const [straight, resumed] = [model(), model()];
    const data = await pairs(straight);
    const a = new PreferenceTrainer(straight, options);
    const losses: number[] = [];
    for (let step = 0; step < 6; step++) losses.push((await a.takeStep(data)).metrics.loss!);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    const first = new PreferenceTrainer(resumed, options);
    for (let step = 0; step < 3; step++) await first.takeStep(data);
    const copy = new LanguageModel(
      config,
      new Map([...resumed.weights].map(([name, { dims, data: values }]) => [name, { dims, data: values.slice() }])),
      runtime,
    );
    const state = new Map(
      [...first.optimizerTensors].map(([name, { dims, data: values }]) => [name, { dims, data: values.slice() }]),
    );
    const second = new PreferenceTrainer(copy, options, { step: first.step, tensors: state });
    for (let step = 3; step < 6; step++) expect((await second.takeStep(data)).metrics.loss).toBe(losses[step]);
    for (const [name, { data: values }] of straight.weights)
      expect(Buffer.compare(Buffer.from(values.buffer), Buffer.from(copy.weights.get(name)!.data.buffer)), name).toBe(
        0,
      );
  });

  test('a loss that is not finite is refused with its step, and the weights are as before', async () => {
    const lm = model();
    const data = (await pairs(lm)).map((pair) => ({ ...pair, reference: { ...pair.reference, shortChosen: NaN } }));
    const before = lm.weights.get('model.norm.weight')!.data.slice();
    await expect(new PreferenceTrainer(lm, options).takeStep(data)).rejects.toThrow(/loss of step 1 is not finite/);
    expect(lm.weights.get('model.norm.weight')!.data).toEqual(before);
  });
});
