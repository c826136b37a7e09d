import { afterEach, describe, expect, test } from 'vitest';
import {
  consume,
  initialise,
  initialiseLora,
  LanguageModel,
  LORA_TARGETS,
  packTrees,
  parseModelConfig,
  PreferenceTrainer,
  readGradients,
  Runtime,
  sample,
  scoreTrees,
  type FrozenWeights,
  type Gradients,
  type HostTensors,
  type LanguageModelOptions,
  type ModelConfig,
  type PreferenceOptions,
  type RuntimeOptions,
  type TrainingPair,
} from './index.ts';
import { inspectResponse } from './index.ts';

/*
 * Weights in sessions, as a device has them that keeps no tensors between runs. Here on the processor, which keeps the numbers the same to
 * the last bit, and tells what would cross a bus: all that a run is fed and gives.
 */

const sizes = {
  vocab_size: 52,
  hidden_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  rope_theta: 100,
  max_position_embeddings: 512,
};
const CONFIGS: Readonly<Record<string, ModelConfig>> = {
  qwen2: parseModelConfig({ ...sizes, model_type: 'qwen2', tie_word_embeddings: true }),
  // Two kinds of layers, one of them with a sliding window; norms after, and of heads; an output table of its own.
  gemma3: parseModelConfig({
    ...sizes,
    model_type: 'gemma3_text',
    head_dim: 8,
    sliding_window: 9,
    layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
    tie_word_embeddings: false,
  }),
};
const lora = { rank: 4, alpha: 8, targets: LORA_TARGETS, rsLora: false } as const;

const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 50);

function adapterOf(config: ModelConfig, seed = 1, options = lora) {
  const weights = initialiseLora(config, options, seed);
  for (const { data } of weights.values()) data.forEach((x, i) => (data[i] = x + 0.05 * Math.sin(i + seed)));
  return { options, weights };
}

function weightsOf(config: ModelConfig): HostTensors {
  const weights = initialise(config, { seed: 1, embeddingStd: 0.7, residualScale: 1 });
  for (const [name, { dims, data }] of weights)
    if (dims.length === 1) data.forEach((value, i) => (data[i] = value + 0.3 * Math.sin(i * 7 + name.length)));
  return weights;
}

/** Queries go in several chunks. */
function modelOn(
  runtime: Runtime,
  config: ModelConfig,
  { adapter = true, ...options }: LanguageModelOptions & { readonly adapter?: boolean } = {},
): LanguageModel {
  return new LanguageModel(config, weightsOf(config), runtime, adapter ? adapterOf(config) : null, {
    queryChunk: 9,
    ...options,
  });
}

let open: Runtime[] = [];
afterEach(async () => {
  for (const runtime of open) await runtime.close();
  open = [];
});

function runtimeWith(options: Partial<RuntimeOptions> = {}): Runtime {
  const runtime = new Runtime({ threads: 1, ...options });
  open.push(runtime);
  return runtime;
}

const trees = [
  { prompt: ids(20, 1), branches: [ids(6, 2), ids(4, 3)] },
  { prompt: ids(11, 5), branches: [ids(3, 6), ids(5, 7)] },
  // No prompt: the last layer makes its output from the first token on.
  { prompt: ids(1, 8), branches: [ids(12, 9)] },
];

async function gradientsOf(model: LanguageModel): Promise<Map<string, Float32Array>> {
  const gradients: Gradients = new Map();
  // Twice: the second pass adds to the first one's sums.
  for (const group of [trees.slice(0, 2), trees.slice(2)]) {
    const batch = packTrees(group, model.packing);
    await consume(await model.forward(batch), async (activations) => {
      const { logps } = await model.targetStats(activations);
      await model.backward(
        activations,
        logps.map((_, i) => Math.cos(i)),
        gradients,
      );
    });
  }
  return readGradients(model.runtime, gradients);
}

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
  optimizer: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 },
  schedule: { learningRate: 1e-3, schedule: 'cosine', warmupRatio: 0.1, finalLearningRateRatio: 0.1 },
  clipNorm: 1,
  microBatchTokens: 120,
  steps: 10,
};
const pairs: TrainingPair[] = [1, 2].map((salt) => ({
  short: ids(12 + 4 * salt, salt),
  long: ids(28 + 4 * salt, salt + 20),
  chosen: ids(4, salt + 30),
  rejected: ids(4, salt + 40),
  reference: { shortChosen: -18, shortRejected: -17, longChosen: -19, longRejected: -16 },
}));

async function tenSteps(model: LanguageModel) {
  const trainer = new PreferenceTrainer(model, options);
  const metrics: Readonly<Record<string, number>>[] = [];
  for (let step = 0; step < 10; step++) metrics.push((await trainer.takeStep(pairs)).metrics);
  return { metrics, weights: await model.trained.read(), moments: await trainer.optimizerTensors() };
}

const prompts = [ids(12, 1), ids(8, 2)].map((tokens, i) => ({ tokens, key: [i, 77] as const }));
const sampling = { samplesPerPrompt: 2, topP: 1, maxNewTokens: 5, eosIds: [], seed: 5 };

describe.each(Object.entries(CONFIGS))('on the processor weights in sessions change no bit of a %s model', (_, config) => {
  const both = (make: (runtime: Runtime) => LanguageModel) =>
    [make(runtimeWith({ weightsInSessions: true })), make(runtimeWith())] as const;

  test.each([
    ['float32', true],
    ['float32', false],
    ['float16', true],
    ['int8', true],
    ['int8', false],
  ] as const)("weights %s, adapter %s: a batch's scores", async (frozenWeights: FrozenWeights, adapter) => {
    const [own, fed] = both((runtime) => modelOn(runtime, config, { frozenWeights, adapter, frozen: true }));
    for (const model of [own, fed]) expect(await scoreTrees(model, trees, { batchTokens: 60 })).toHaveLength(3);
    const limits = { batchTokens: 60 };
    expect(await scoreTrees(own, trees, limits)).toEqual(await scoreTrees(fed, trees, limits));
    expect(own.runtime.allocated.bytes).toBeGreaterThan(0);
    expect(fed.runtime.allocated.bytes).toBe(0);
  });

  test.each([2 ** 31, 1])('%d bytes a session: the scores are the same', async (maxSessionWeightBytes) => {
    const own = modelOn(runtimeWith({ weightsInSessions: true, maxSessionWeightBytes }), config);
    const fed = modelOn(runtimeWith(), config);
    expect(await scoreTrees(own, trees, { batchTokens: 60 })).toEqual(await scoreTrees(fed, trees, { batchTokens: 60 }));
  });

  test.each(['float32', 'float16', 'int8'] as const)('weights %s: every gradient of the adapter', async (format) => {
    const [own, fed] = both((runtime) => modelOn(runtime, config, { frozenWeights: format }));
    const gradients = await gradientsOf(own);
    expect(gradients.size).toBe(3 * 7 * 2);
    for (const values of gradients.values()) expect(values.some((value) => value !== 0)).toBe(true);
    expect(gradients).toEqual(await gradientsOf(fed));
  });

  test('ten steps: losses, weights and moments', async () => {
    const [own, fed] = both((runtime) => modelOn(runtime, config));
    const steps = await tenSteps(own);
    expect(steps.metrics.at(-1)!.loss).toBeLessThan(steps.metrics[0]!.loss!);
    expect(steps).toEqual(await tenSteps(fed));
  });

  test.each([0, 1.5])('samples at temperature %d', async (temperature) => {
    const [own, fed] = both((runtime) => modelOn(runtime, config));
    const samples = await sample(own, prompts, { ...sampling, temperature });
    expect(samples.flat().every(({ tokens }) => tokens.length === 5)).toBe(true);
    expect(samples).toEqual(await sample(fed, prompts, { ...sampling, temperature }));
  });

  test('where a response looks', async () => {
    const [own, fed] = both((runtime) => modelOn(runtime, config));
    const row = { prompt: ids(20, 1), response: ids(6, 2), evidence: [{ start: 3, end: 9 }] };
    expect(await inspectResponse(own, row)).toEqual(await inspectResponse(fed, row));
  });
});

const config = CONFIGS['qwen2']!;

/** Bytes that cross while `work` runs, after sessions are made. */
async function crossing(
  options: Partial<RuntimeOptions>,
  frozenWeights: FrozenWeights,
  work: (model: LanguageModel) => Promise<unknown>,
): Promise<number> {
  let bytes = 0;
  const runtime = runtimeWith({
    ...options,
    onRun: ({ fedBytes, givenBytes }) => void (bytes += fedBytes + givenBytes),
  });
  const model = modelOn(runtime, config, { frozenWeights });
  await work(model);
  bytes = 0;
  await work(model);
  return bytes;
}

test('what crosses a bus', async () => {
  const batch = (model: LanguageModel) => scoreTrees(model, trees, { batchTokens: 1000 });
  for (const work of [batch, gradientsOf]) {
    const rows = [];
    for (const o of [{}, { weightsInSessions: true, maxSessionWeightBytes: 1 }, { weightsInSessions: true }])
      rows.push(await crossing(o, 'float32', work));
    console.log(work.name, rows);
  }
});
