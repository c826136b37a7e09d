import { afterAll, describe, expect, test } from 'vitest';
import {
  formatModelConfig,
  initialise,
  initialiseLora,
  LanguageModel,
  mergeLora,
  modelParameters,
  packTrees,
  parseModelConfig,
  Runtime,
  sample,
  scoreTrees,
  sumOf,
  readGradients,
  zeroGradients,
  type LoraOptions,
  type ModelConfig,
} from './index.ts';
import { rotaryFrequencies } from './rotary.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const shape = {
  vocab_size: 50,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 40,
  rope_theta: 100,
};
const FAMILIES: Readonly<Record<string, ModelConfig>> = {
  qwen2: parseModelConfig({ ...shape, model_type: 'qwen2', tie_word_embeddings: true }),
  qwen3: parseModelConfig({ ...shape, model_type: 'qwen3', head_dim: 8 }),
  llama: parseModelConfig({
    ...shape,
    model_type: 'llama',
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  }),
  'llama with biases': parseModelConfig({ ...shape, model_type: 'llama', attention_bias: true, mlp_bias: true }),
  'llama, yarn': parseModelConfig({
    ...shape,
    model_type: 'llama',
    rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 },
  }),
  mistral: parseModelConfig({ ...shape, model_type: 'mistral', sliding_window: 9 }),
  gemma3: parseModelConfig({
    ...shape,
    model_type: 'gemma3_text',
    num_hidden_layers: 3,
    head_dim: 8,
    query_pre_attn_scalar: 6,
    sliding_window: 9,
    sliding_window_pattern: 2,
    rope_local_base_freq: 50,
    rope_scaling: { rope_type: 'linear', factor: 8 },
  }),
};
const lora: LoraOptions = {
  rank: 3,
  alpha: 8,
  targets: ['q_proj', 'v_proj', 'o_proj', 'up_proj', 'down_proj'],
  rsLora: true,
};
const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 50);
const batch = () =>
  packTrees([
    { prompt: ids(270, 1), branches: [ids(6, 2), ids(4, 3)] },
    { prompt: ids(20, 5), branches: [ids(3, 6), ids(5, 7)] },
  ]);

function randomWeights(config: ModelConfig) {
  const weights = initialise(config, { seed: 3, embeddingStd: 0.7, residualScale: 1 });
  for (const [name, { dims, data }] of weights)
    if (dims.length === 1) data.forEach((value, i) => (data[i] = value + 0.3 * Math.sin(i * 7 + name.length)));
  return weights;
}

function randomAdapter(config: ModelConfig) {
  const adapter = initialiseLora(config, lora, 5);
  for (const [name, { data }] of adapter)
    if (name.endsWith('lora_B.weight')) data.forEach((_, i) => (data[i] = 0.2 * Math.sin(i * 3 + name.length)));
  return adapter;
}

/** The slope along the gradient itself is the gradient's norm. */
async function demandGradients(lm: LanguageModel): Promise<void> {
  const trees = batch();
  const dLogps = Float32Array.from(trees.targets, (_, i) => Math.cos(i));
  const loss = async (): Promise<number> =>
    (await lm.targetLogps(await lm.forward(trees))).logps.reduce((sum, logp, i) => sum + logp * dLogps[i]!, 0);
  const sums = zeroGradients(lm.trainable);
  await lm.backward(await lm.forward(trees), dLogps, sums);
  const gradients = await readGradients(lm.runtime, sums);
  for (const [name, { data }] of lm.trainable) {
    const gradient = gradients.get(name)!;
    const norm = Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0));
    expect(norm, name).toBeGreaterThan(1e-4);
    const original = data.slice();
    const step = 1e-2 / Math.max(1, Math.sqrt(norm));
    const at = async (by: number): Promise<number> => {
      data.forEach((_x, i) => (data[i] = original[i]! + (by * gradient[i]!) / norm));
      return loss();
    };
    const slope = ((await at(step)) - (await at(-step))) / (2 * step);
    data.set(original);
    expect(Math.abs(slope - norm), `${name}: slope ${slope}, norm ${norm}`).toBeLessThan(5e-3 * norm + 2e-3);
  }
}

describe.each(Object.keys(FAMILIES))('%s', (family) => {
  const config = FAMILIES[family]!;

  test('an exported config.json reads as the same model', () => {
    expect(parseModelConfig(JSON.parse(JSON.stringify(formatModelConfig(config))))).toEqual(config);
  });

  test('every gradient agrees with central differences', () =>
    demandGradients(new LanguageModel(config, randomWeights(config), runtime)));

  test('every gradient of an adapter does too', () =>
    demandGradients(
      new LanguageModel(config, randomWeights(config), runtime, { options: lora, weights: randomAdapter(config) }),
    ));

  test('sampling with a cache gives the log-probabilities of a full forward pass, with and without an adapter', async () => {
    for (const adapter of [null, { options: lora, weights: randomAdapter(config) }]) {
      const lm = new LanguageModel(config, randomWeights(config), runtime, adapter);
      const prompts = [ids(5, 1), ids(30, 2)].map((tokens, i) => ({ tokens, key: [i, 77] as const }));
      const samples = await sample(lm, prompts, {
        samplesPerPrompt: 2,
        temperature: 2,
        topP: 1,
        maxNewTokens: 8,
        eosIds: [],
        seed: 5,
      });
      const scores = await scoreTrees(
        lm,
        samples.map((row, i) => ({ prompt: prompts[i]!.tokens, branches: row.map(({ tokens }) => tokens) })),
        { batchTokens: 1000 },
      );
      samples.forEach((row, i) => row.forEach(({ logp }, j) => expect(logp).toBeCloseTo(sumOf(scores[i]![j]!), 3)));
    }
  });

  test('an adapter off is the base, fresh it changes nothing, and merged it gives what it gives unmerged', async () => {
    const weights = randomWeights(config);
    const trees = [{ prompt: ids(40, 3), branches: [ids(6, 4)] }];
    const score = async (lm: LanguageModel): Promise<Float32Array> =>
      (await scoreTrees(lm, trees, { batchTokens: 1000 }))[0]![0]!;
    const base = await score(new LanguageModel(config, weights, runtime));
    const fresh = await score(
      new LanguageModel(config, weights, runtime, { options: lora, weights: initialiseLora(config, lora, 5) }),
    );
    expect([...fresh]).toEqual([...base]);
    const adapter = randomAdapter(config);
    const adapted = await score(new LanguageModel(config, weights, runtime, { options: lora, weights: adapter }));
    const merged = await score(new LanguageModel(config, mergeLora(weights, lora, adapter), runtime));
    adapted.forEach((logp, i) => {
      expect(merged[i]).toBeCloseTo(logp, 4);
      expect(Math.abs(logp - base[i]!)).toBeGreaterThan(1e-3);
    });
  });
});

test('seed_oss is qwen2 to the bit, and reads back with its other biases', async () => {
  const qwen2 = FAMILIES['qwen2']!;
  const seedOss = parseModelConfig({ ...shape, model_type: 'seed_oss', head_dim: 6, tie_word_embeddings: true });
  expect(modelParameters(seedOss)).toEqual(modelParameters(qwen2));
  const weights = randomWeights(qwen2);
  const trees = [{ prompt: ids(20, 1), branches: [ids(6, 2)] }];
  const [own, other] = await Promise.all(
    [qwen2, seedOss].map((config) =>
      scoreTrees(new LanguageModel(config, weights, runtime), trees, { batchTokens: 100 }),
    ),
  );
  expect(own).toEqual(other);
  const biased = parseModelConfig({
    ...shape,
    model_type: 'seed_oss',
    head_dim: 6,
    attention_out_bias: true,
    mlp_bias: true,
  });
  expect(biased.biases).toEqual({ qkv: true, output: true, mlp: true });
  expect(parseModelConfig(JSON.parse(JSON.stringify(formatModelConfig(biased))))).toEqual(biased);
});

test('a sliding window hides what lies before it, in the text, not in the layout', async () => {
  const config = FAMILIES['mistral']!;
  const lm = new LanguageModel({ ...config, layers: 1 }, randomWeights({ ...config, layers: 1 }), runtime);
  const score = async (prompt: Int32Array, branches: Int32Array[]): Promise<Float32Array[]> =>
    (await scoreTrees(lm, [{ prompt, branches }], { batchTokens: 1 }))[0]!;
  const prompt = ids(40, 1);
  // With one layer the first response token depends on the last 9 prompt tokens only.
  const changed = prompt.slice();
  changed.fill(7, 0, 40 - 9);
  const [a] = await score(prompt, [ids(1, 2)]);
  const [b] = await score(changed, [ids(1, 2)]);
  expect(b![0]).toBeCloseTo(a![0]!, 5);
  changed[40 - 9] = (prompt[40 - 9]! + 1) % 50;
  expect(Math.abs((await score(changed, [ids(1, 2)]))[0]![0]! - a![0]!)).toBeGreaterThan(1e-4);
  // A second branch lies further on in the layout, but follows the same prompt.
  const [, second] = await score(prompt, [ids(30, 3), ids(12, 4)]);
  const [alone] = await score(prompt, [ids(12, 4)]);
  second!.forEach((logp, i) => expect(logp).toBeCloseTo(alone![i]!, 4));
});

test('the settings that a config.json of a larger Gemma 3 leaves out are those of transformers', () => {
  const config = parseModelConfig({
    model_type: 'gemma3_text',
    hidden_size: 2560,
    intermediate_size: 10240,
    num_hidden_layers: 8,
    rope_scaling: { factor: 8, rope_type: 'linear' },
    sliding_window: 1024,
  });
  expect(config).toMatchObject({ vocabSize: 262_208, heads: 8, kvHeads: 4, headSize: 256, tiedEmbeddings: true });
  expect(config.queryScale).toBe(1 / 16);
  expect(config.embeddingScale).toBeCloseTo(Math.sqrt(2560), 5);
  const [local, global] = config.layerKinds;
  expect(local).toEqual({ ropeTheta: 10_000, ropeScaling: null, slidingWindow: 1024 });
  expect(global).toEqual({ ropeTheta: 1e6, ropeScaling: { type: 'linear', factor: 8 }, slidingWindow: null });
  expect(config.kindOfLayer).toEqual([0, 0, 0, 0, 0, 1, 0, 0]);
});

test('layer types and ropes by layer type, as newer files have them, read as the older settings do', () => {
  const older = { sliding_window_pattern: 2, rope_theta: 500, rope_local_base_freq: 50 };
  const newer = {
    rope_theta: undefined,
    layer_types: ['sliding_attention', 'full_attention'],
    rope_parameters: {
      sliding_attention: { rope_type: 'default', rope_theta: 50 },
      full_attention: { rope_type: 'default', rope_theta: 500 },
    },
  };
  const gemma = { ...shape, model_type: 'gemma3_text', head_dim: 8 };
  expect(parseModelConfig({ ...gemma, ...newer })).toEqual(parseModelConfig({ ...gemma, ...older }));
});

test('a Mistral without sliding_window in its config.json was read as one without a window', () => {
  const mistral = parseModelConfig({ ...shape, model_type: 'mistral' });
  expect(mistral.layerKinds[0]!.slidingWindow).toBe(4096);
  const open = parseModelConfig({ ...shape, model_type: 'mistral', sliding_window: null });
  expect(open.layerKinds[0]!.slidingWindow).toBe(null);
  expect(parseModelConfig(formatModelConfig(open))).toEqual(open);
});

test.each([
  [{ model_type: 'mistral', sliding_window: 9, layer_types: ['full_attention', 'sliding_attention'] }, [null, 9]],
  [{ model_type: 'mistral', sliding_window: 9, layer_types: ['full_attention', 'full_attention'] }, [null, null]],
  [{ model_type: 'ministral', sliding_window: 9, layer_types: ['sliding_attention', 'full_attention'] }, [9, null]],
  [{ model_type: 'qwen2', use_sliding_window: true, sliding_window: 9, max_window_layers: 1 }, [null, 9]],
  [{ model_type: 'qwen2', use_sliding_window: true, sliding_window: 9, max_window_layers: 0 }, [9, 9]],
  [{ model_type: 'qwen2', use_sliding_window: true, sliding_window: 9 }, [null, null]],
  [{ model_type: 'qwen2', use_sliding_window: true, max_window_layers: 0 }, [4096, 4096]],
  [{ model_type: 'qwen2', use_sliding_window: true, sliding_window: null, max_window_layers: 0 }, [null, null]],
  [
    {
      model_type: 'qwen3',
      use_sliding_window: true,
      sliding_window: 9,
      layer_types: ['sliding_attention', 'full_attention'],
    },
    [9, null],
  ],
  [{ model_type: 'llama', layer_types: ['full_attention', 'full_attention'] }, [null, null]],
])('%j has these windows, and so has what is exported of it', (changes, windows) => {
  const config = parseModelConfig({ ...shape, ...changes });
  expect(config.kindOfLayer.map((kind) => config.layerKinds[kind]?.slidingWindow)).toEqual(windows);
  expect(parseModelConfig(JSON.parse(JSON.stringify(formatModelConfig(config))))).toEqual(config);
});

test('theta beside an empty rope_scaling was read, and rope_parameters were not', () => {
  const config = {
    ...shape,
    model_type: 'llama',
    rope_scaling: {},
    rope_parameters: { rope_type: 'linear', factor: 2 },
  };
  expect(parseModelConfig(config).layerKinds[0]!.ropeScaling).toEqual({ type: 'linear', factor: 2 });
});

test('theta beside rope_parameters was read as 10000', () => {
  const config = {
    ...shape,
    model_type: 'llama',
    rope_theta: 123,
    rope_parameters: { rope_type: 'linear', factor: 2 },
  };
  expect(parseModelConfig(config).layerKinds[0]!.ropeTheta).toBe(123);
});

test('llama3 scaling divides long wavelengths, keeps short ones and joins them', () => {
  const plain = rotaryFrequencies(64, 500_000, null);
  const scaled = rotaryFrequencies(64, 500_000, {
    type: 'llama3',
    factor: 32,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalPositions: 8192,
  });
  expect(scaled[0]).toBe(plain[0]);
  expect(scaled[31]).toBeCloseTo(plain[31]! / 32, 15);
  for (let i = 1; i < 32; i++) {
    expect(scaled[i]!).toBeLessThan(scaled[i - 1]!);
    expect(scaled[i]!).toBeLessThanOrEqual(plain[i]!);
    expect(scaled[i]!).toBeGreaterThanOrEqual(plain[i]! / 32);
  }
});

test.each([
  [
    { model_type: 'gpt2' },
    /model_type "gpt2" is not supported; supported are "gemma3_text", "llama", "ministral", "mistral", "qwen2", "qwen3", "seed_oss"/,
  ],
  [{ model_type: 'llama', rope_scaling: { rope_type: 'longrope' } }, /rope scaling "longrope" is not supported/],
  [
    { model_type: 'llama', rope_scaling: { rope_type: 'llama3', factor: 8 } },
    /rope_scaling: low_freq_factor must be a positive number, not missing/,
  ],
  [{ model_type: 'qwen2', use_sliding_window: 'yes' }, /use_sliding_window must be true or false, not "yes"/],
  [
    { model_type: 'qwen2', use_sliding_window: true, max_window_layers: -1 },
    /max_window_layers must be a whole number from 0 on, not -1/,
  ],
  [
    { model_type: 'qwen3', layer_types: ['full_attention', 'sliding_attention'] },
    /layer_types has "sliding_attention" and the model no window; set sliding_window/,
  ],
  [
    { model_type: 'mistral', sliding_window: null, layer_types: ['full_attention', 'sliding_attention'] },
    /layer_types has "sliding_attention" and the model no window/,
  ],
  [{ model_type: 'llama', hidden_act: 'gelu' }, /hidden_act is supported only as "silu" or "swish", not "gelu"/],
  [{ model_type: 'mistral', sliding_window: -1 }, /sliding_window must be a positive whole number, not -1/],
  [
    { model_type: 'gemma3_text', attn_logit_softcapping: 50 },
    /attn_logit_softcapping is supported only as null, not 50/,
  ],
  [
    { model_type: 'gemma3_text', final_logit_softcapping: 30 },
    /final_logit_softcapping is supported only as null, not 30/,
  ],
  [
    { model_type: 'gemma3_text', use_bidirectional_attention: true },
    /use_bidirectional_attention is supported only as/,
  ],
  [
    { model_type: 'gemma3_text', hidden_activation: 'gelu' },
    /hidden_activation is supported only as "gelu_pytorch_tanh"/,
  ],
  [{ model_type: 'gemma3_text', layer_types: ['full_attention'] }, /layer_types must name 2 layers/],
  [
    { model_type: 'gemma3_text', layer_types: ['full_attention', 'chunked_attention'] },
    /layer_types must name 2 layers, each "full_attention" or "sliding_attention"/,
  ],
  [{ model_type: 'gemma3_text', rope_parameters: { rope_type: 'linear', factor: 2 } }, /must be by layer type/],
  [
    { model_type: 'gemma3_text', rope_parameters: { full_attention: { rope_type: 'longrope' } } },
    /rope scaling "longrope" is not supported/,
  ],
  [
    { model_type: 'llama', rope_parameters: { full_attention: {} } },
    /by layer type \(full_attention\) are not supported/,
  ],
  [{ model_type: 'llama', num_key_value_heads: 3 }, /num_attention_heads 4 is not a multiple of num_key_value_heads 3/],
])('%j is refused by name', (changes, message) => {
  expect(() => parseModelConfig({ ...shape, ...changes })).toThrow(message);
});
