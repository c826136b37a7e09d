import { uniform } from '@solopo/random';
import { afterAll, describe, expect, test } from 'vitest';
import {
  initialise,
  initialiseLora,
  LanguageModel,
  packSequences,
  outputIndex,
  packTrees,
  parseModelConfig,
  readGradients,
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

const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 50,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 40,
  rope_theta: 100,
  tie_word_embeddings: true,
});

/** A model whose every weight is random, biases and norms too, so that no gradient is 0 by chance. */
function model(seed = 1, changes: Partial<ModelConfig> = {}): LanguageModel {
  const changed = { ...config, ...changes };
  const weights = initialise(changed, { seed, embeddingStd: 0.7, residualScale: 1 });
  for (const [name, { dims, data }] of weights)
    if (dims.length === 1) data.forEach((value, i) => (data[i] = value + 0.3 * Math.sin(i * 7 + name.length)));
  return new LanguageModel(changed, weights, runtime);
}

/** One row of a table is no number; untied, it matters only where its token is read. */
function damaged(parameter: string, tied: boolean): LanguageModel {
  const lm = model(1, { tiedEmbeddings: tied });
  const { data, dims } = lm.weights.get(parameter)!;
  data.fill(NaN, 7 * dims[1]!, 8 * dims[1]!);
  return lm;
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
    const together = zeroGradients(lm.trainable);
    const shared = await lm.forward(packTrees([{ prompt, branches }]));
    await lm.backward(shared, new Float32Array(13).fill(1), together);
    const apart = zeroGradients(lm.trainable);
    const rows = await lm.forward(packTrees(branches.map((branch) => ({ prompt, branches: [branch] }))));
    await lm.backward(rows, new Float32Array(13).fill(1), apart);
    const expected = await readGradients(runtime, apart);
    for (const [name, gradient] of await readGradients(runtime, together)) {
      const scale = Math.max(...expected.get(name)!.map(Math.abs), 1e-3);
      closeTo(
        gradient.map((x) => x / scale),
        expected.get(name)!.map((x) => x / scale),
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
    const sums = zeroGradients(lm.trainable);
    await lm.backward(await lm.forward(batch), dLogps, sums);
    const gradients = await readGradients(runtime, sums);
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

/** softmax(logits / temperature), sorted, cut and walked through. */
function drawSlowly(
  logits: readonly number[],
  { temperature, topP }: { readonly temperature: number; readonly topP: number },
  u: number,
): number {
  const weights = logits.map((logit) => Math.exp((logit - Math.max(...logits)) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const kept = weights
    .map((weight, token) => ({ weight, token }))
    .sort((a, b) => b.weight - a.weight)
    .filter(({ weight }) => (sum += weight) - weight < topP * total)
    .sort((a, b) => a.token - b.token);
  let rest = u * kept.reduce((keptSum, { weight }) => keptSum + weight, 0);
  return kept.find(({ weight }) => (rest -= weight) < 0)!.token;
}

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

  test.each([1, 0.7])(
    'with top-p %d each token is the one that its random number draws from the logits',
    async (topP) => {
      const lm = model();
      const [prompt] = prompts as [(typeof prompts)[0]];
      const [samples] = (await sample(lm, [prompt], { ...options, topP })) as [Sample[]];
      const branches = samples.map(({ tokens }) => tokens);
      const batch = packTrees([{ prompt: prompt.tokens, branches }]);
      const { output } = await lm.infer(batch);
      for (const [branch, { tokens }] of samples.entries()) {
        const places = batch.targets.filter((target) => target.branch === branch);
        for (const [position, { index }] of places.entries()) {
          const logits = [...(await lm.predict(output, [outputIndex(batch, index)], 'logits'))];
          const u = uniform([...prompt.key, position, 0], [options.seed, branch]);
          expect(tokens[position]).toBe(drawSlowly(logits, { ...options, topP }, u));
        }
      }
    },
  );

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
    objective: { kind: 'dpo', beta: 0.5, loss: 'sigmoid', labelSmoothing: 0 },
    alignment: {
      alpha: 2,
      reference: 'shared',
      distance: 'absolute',
      sides: 'two',
      detach: 'none',
      deadZone: 1e-5,
      fraction: 1,
    },
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

  test.each(['short', 'long', 'expand-long', 'solo', 'solo-both'] as const)(
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
      [...(await first.optimizerTensors())].map(([name, { dims, data: values }]) => [
        name,
        { dims, data: values.slice() },
      ]),
    );
    const second = new PreferenceTrainer(copy, options, { step: first.step, tensors: state });
    for (let step = 3; step < 6; step++) expect((await second.takeStep(data)).metrics.loss).toBe(losses[step]);
    for (const [name, { data: values }] of straight.weights)
      expect(Buffer.compare(Buffer.from(values.buffer), Buffer.from(copy.weights.get(name)!.data.buffer)), name).toBe(
        0,
      );
  });

  const simpo = { kind: 'simpo', beta: 2, gamma: 0.5 } as const;
  const orpo = { kind: 'orpo', beta: 0.5, nllWeight: 1, nll: 'response' } as const;
  const lora = { rank: 3, alpha: 6, targets: ['q_proj', 'v_proj', 'up_proj', 'down_proj'], rsLora: false } as const;

  /** A model with an adapter whose B is not zero, so that it changes something. */
  function adapted(): LanguageModel {
    const base = model();
    const adapter = initialiseLora(base.config, lora, 1);
    for (const { data } of adapter.values()) data.forEach((x, i) => (data[i] = x + 0.05 * Math.sin(i)));
    return new LanguageModel(base.config, base.weights, runtime, { options: lora, weights: adapter });
  }

  test.each<[string, Partial<PreferenceOptions>]>([
    ['short, dpo', { arm: 'short' }],
    ['expand-long, ipo', { arm: 'expand-long', objective: { ...options.objective, loss: 'ipo' } as never }],
    ['long, simpo', { arm: 'long', objective: simpo }],
    ['solo, dpo', {}],
    ['solo, simpo, squared', { objective: simpo, alignment: { ...options.alignment, distance: 'squared' } }],
    ['solo, orpo with the prompt', { objective: { ...orpo, nll: 'all' } }],
    ['solo-both, orpo', { arm: 'solo-both', objective: orpo }],
    ['sft, short', { arm: 'sft', objective: { kind: 'sft', context: 'short' } }],
    ['sft, long', { arm: 'sft', objective: { kind: 'sft', context: 'long' } }],
  ])('a small step down the gradient of %s lowers the loss by its squared norm', async (_, changes) => {
    for (const make of [model, adapted]) {
      const data = (await pairs(make())).map((pair) => ({
        ...pair,
        reference: { ...pair.reference, shortChosen: (pair.reference.shortChosen ?? 0) - 1 },
      }));
      // With an epsilon this large AdamW steps by learningRate / epsilon times the gradient.
      const at = (rate: number): PreferenceOptions => ({
        ...options,
        ...changes,
        clipNorm: Infinity,
        optimizer: { betas: [0, 0], epsilon: 1e12, weightDecay: 0 },
        schedule: { learningRate: rate * 1e12, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
      });
      const { metrics } = await new PreferenceTrainer(make(), at(0)).takeStep(data);
      const rate = 2e-3 / metrics.grad_norm! ** 2;
      const trainer = new PreferenceTrainer(make(), at(rate));
      const before = (await trainer.takeStep(data)).metrics.loss!;
      const after = (await trainer.takeStep(data)).metrics.loss!;
      expect(before).toBeCloseTo(metrics.loss!, 6);
      expect((before - after) / 2e-3, make.name).toBeGreaterThan(0.9);
      expect((before - after) / 2e-3, make.name).toBeLessThan(1.1);
    }
  });

  test('with an adapter the base stays as it is, and a trainer resumed from its state is bit-identical', async () => {
    const [straight, resumed] = [adapted(), adapted()];
    const data = await pairs(straight);
    const base = straight.weights.get('model.layers.0.self_attn.q_proj.weight')!.data.slice();
    const whole = new PreferenceTrainer(straight, options);
    for (let step = 0; step < 4; step++) await whole.takeStep(data);
    const first = new PreferenceTrainer(resumed, options);
    for (let step = 0; step < 2; step++) await first.takeStep(data);
    const second = new PreferenceTrainer(resumed, options, { step: 2, tensors: await first.optimizerTensors() });
    for (let step = 2; step < 4; step++) await second.takeStep(data);
    expect(straight.weights.get('model.layers.0.self_attn.q_proj.weight')!.data).toEqual(base);
    expect([...(await first.optimizerTensors()).keys()].every((name) => /lora_[AB]/.test(name))).toBe(true);
    for (const [name, { data: values }] of straight.trainable)
      expect(resumed.trainable.get(name)!.data, name).toEqual(values);
  });

  test('pairs outside the aligned fraction run no long row', async () => {
    const data = await pairs(model());
    const tokens = async (given: readonly TrainingPair[], arm: 'short' | 'solo') =>
      (await new PreferenceTrainer(model(), { ...options, arm }).takeStep(given)).policyTokens;
    const [aligned, ...others] = data;
    const some = await tokens([aligned!, ...others.map((pair) => ({ ...pair, aligned: false }))], 'solo');
    expect(some).toBe((await tokens(data, 'short')) + aligned!.long!.length + aligned!.chosen.length);
  });

  test('token metrics are what the logits of the trained context say', async () => {
    const lm = model();
    const data = await pairs(lm);
    const { metrics } = await new PreferenceTrainer(lm, { ...options, microBatchTokens: 1 }).takeStep(data);
    const before = model();
    const sums = { chosen: 0, rejected: 0, entropy: 0, hits: 0 };
    for (const { short, chosen, rejected } of data)
      for (const [name, response] of [
        ['chosen', chosen],
        ['rejected', rejected],
      ] as const) {
        const batch = packTrees([{ prompt: short!, branches: [response] }]);
        const { output } = await before.infer(batch);
        for (const { index, token } of batch.targets) {
          const logits = await before.predict(output, [outputIndex(batch, index)], 'logits');
          const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
          const probabilities = [...logits].map((x) => Math.exp(x) / total);
          sums[name] += logits.reduce((sum, x) => sum + x, 0) / logits.length;
          sums.entropy -= probabilities.reduce((sum, p) => sum + p * Math.log(p), 0);
          if (name === 'chosen' && logits[token] === Math.max(...logits)) sums.hits += 1;
        }
      }
    expect(metrics['logits/chosen']).toBeCloseTo(sums.chosen / 12, 4);
    expect(metrics['logits/rejected']).toBeCloseTo(sums.rejected / 16, 4);
    expect(metrics.entropy).toBeCloseTo(sums.entropy / 28, 4);
    expect(metrics.mean_token_accuracy).toBeCloseTo(sums.hits / 12, 6);
  });

  test('a loss that is not finite is refused with its step, and the weights are as before', async () => {
    const lm = model();
    const data = (await pairs(lm)).map((pair) => ({ ...pair, reference: { ...pair.reference, shortChosen: NaN } }));
    const before = lm.weights.get('model.norm.weight')!.data.slice();
    await expect(new PreferenceTrainer(lm, options).takeStep(data)).rejects.toThrow(/loss of step 1 is not finite/);
    expect(lm.weights.get('model.norm.weight')!.data).toEqual(before);
  });

  test('a loss that is not finite for a parameter names it, and does not blame the learning rate', async () => {
    const data = await pairs(model());
    const error: unknown = await new PreferenceTrainer(damaged('model.embed_tokens.weight', true), options)
      .takeStep(data)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'LossNotFiniteError', step: 1 });
    expect(String(error)).toContain('loss of step 1 is not finite: parameter "model.embed_tokens.weight" holds values');
    expect(String(error)).not.toContain('learning rate');
  });
});

describe('a parameter that is not finite', () => {
  const options = { samplesPerPrompt: 1, topP: 1, maxNewTokens: 2, eosIds: [], seed: 0 };
  const prompts = (...tokens: number[]) => [{ tokens: Int32Array.from(tokens), key: [0, 1] as const }];
  test.each([
    ['drawn', 'model.embed_tokens.weight', true, 0.8],
    ['most likely', 'model.embed_tokens.weight', true, 0],
    ['most likely, of another output table', 'lm_head.weight', false, 0],
  ])('is named when answers are %s', async (_, parameter, tied, temperature) => {
    const sampling = sample(damaged(parameter, tied), prompts(1, 2, 3), { ...options, temperature });
    await expect(sampling).rejects.toThrow(`the logits are not finite: parameter "${parameter}" holds values`);
  });

  test('does no harm where it is not read', async () => {
    const lm = damaged('model.embed_tokens.weight', false);
    const whole = await sample(model(1, { tiedEmbeddings: false }), prompts(1, 2, 3), { ...options, temperature: 0 });
    expect(await sample(lm, prompts(1, 2, 3), { ...options, temperature: 0 })).toEqual(whole);
    await expect(sample(lm, prompts(1, 7, 3), { ...options, temperature: 0 })).rejects.toThrow('embed_tokens');
  });

  test('is named when answers are scored', async () => {
    const scoring = scoreTrees(
      damaged('model.embed_tokens.weight', true),
      [{ prompt: ids(4, 1), branches: [ids(3, 2)] }],
      {
        batchTokens: 64,
      },
    );
    await expect(scoring).rejects.toThrow('parameter "model.embed_tokens.weight" holds values that are not finite');
  });

  test('is none where numbers become too large on the way', async () => {
    const lm = model(1, { tiedEmbeddings: false });
    lm.weights.get('lm_head.weight')!.data.fill(3e38);
    await expect(sample(lm, prompts(1, 2), { ...options, temperature: 0 })).rejects.toThrow(
      /though every parameter is/,
    );
  });
});
