import { createHash } from 'node:crypto';
import { uniform } from '@solopo/random';
import {
  initialiseLora,
  LORA_TARGETS,
  modelParameters,
  parseModelConfig,
  type HostTensor,
  type LoraOptions,
  type ModelConfig,
  type Tree,
} from '../index.ts';

/*
 * Tiny models of every family, the same everywhere to the last bit: tools/parity writes them for PyTorch, which makes the
 * fixtures, and tests make them anew. Their numbers are products of uniform draws, which need no library of functions.
 */

export const TINY_SHAPE = {
  vocab_size: 32,
  hidden_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  intermediate_size: 16,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
};

/** `config.json` of each, as a publisher would write it. */
export const REFERENCE_MODELS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  llama: { ...TINY_SHAPE, model_type: 'llama', rope_theta: 100 },
  'llama, biases': { ...TINY_SHAPE, model_type: 'llama', rope_theta: 100, attention_bias: true, mlp_bias: true },
  'llama, linear': { ...TINY_SHAPE, model_type: 'llama', rope_theta: 100, rope_scaling: { type: 'linear', factor: 4 } },
  'llama, llama3': {
    ...TINY_SHAPE,
    model_type: 'llama',
    rope_theta: 100,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 32,
    },
  },
  'llama, yarn': {
    ...TINY_SHAPE,
    model_type: 'llama',
    rope_theta: 100,
    rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16, beta_fast: 2, truncate: false },
  },
  'llama, dynamic': {
    ...TINY_SHAPE,
    model_type: 'llama',
    rope_theta: 100,
    max_position_embeddings: 16,
    rope_scaling: { rope_type: 'dynamic', factor: 3 },
  },
  mistral: { ...TINY_SHAPE, model_type: 'mistral', rope_theta: 100, sliding_window: 8 },
  qwen2: { ...TINY_SHAPE, model_type: 'qwen2', rope_theta: 100, tie_word_embeddings: true },
  'qwen2, yarn': {
    ...TINY_SHAPE,
    model_type: 'qwen2',
    rope_parameters: {
      rope_type: 'yarn',
      rope_theta: 100,
      factor: 4,
      original_max_position_embeddings: 16,
      mscale: 0.7,
      mscale_all_dim: 0.4,
    },
  },
  qwen3: { ...TINY_SHAPE, model_type: 'qwen3', rope_theta: 100, tie_word_embeddings: true },
  gemma3: {
    ...TINY_SHAPE,
    model_type: 'gemma3_text',
    num_hidden_layers: 3,
    query_pre_attn_scalar: 6,
    sliding_window: 8,
    sliding_window_pattern: 2,
    rope_theta: 500,
    rope_local_base_freq: 50,
    rope_scaling: { rope_type: 'linear', factor: 8 },
  },
  'gemma3, yarn': {
    ...TINY_SHAPE,
    model_type: 'gemma3_text',
    attention_bias: true,
    tie_word_embeddings: false,
    query_pre_attn_scalar: 8,
    sliding_window: 8,
    layer_types: ['full_attention', 'sliding_attention'],
    rope_parameters: {
      full_attention: { rope_type: 'yarn', rope_theta: 500, factor: 4, original_max_position_embeddings: 16 },
      sliding_attention: { rope_type: 'default', rope_theta: 50 },
    },
  },
};

/** An adapter on every linear layer; rank-stabilised for one family. */
export const referenceLora = (name: string): LoraOptions => ({
  rank: 2,
  alpha: 3,
  targets: LORA_TARGETS,
  rsLora: name === 'qwen3',
});

export function referenceWeights(config: ModelConfig, seed = 1): Map<string, HostTensor> {
  return draw(modelParameters(config), seed, (name, dims) => {
    if (name.endsWith('norm.weight')) return { centre: config.norms.unitOffset ? 0 : 1, spread: 0.3 };
    if (dims.length === 1) return { centre: 0, spread: 0.3 };
    return { centre: 0, spread: /embed|lm_head/.test(name) ? 0.8 : 1.7 / Math.sqrt(dims[1] as number) };
  });
}

export function referenceAdapter(config: ModelConfig, lora: LoraOptions, seed = 2): Map<string, HostTensor> {
  const parameters = [...initialiseLora(config, lora, seed)].map(([name, { dims }]) => [name, dims] as const);
  return draw(parameters, seed, (name, dims) => ({
    centre: 0,
    spread: name.endsWith('lora_A.weight') ? 1.7 / Math.sqrt(dims[1] as number) : 0.4,
  }));
}

/** A model near another: another draw, added in a small share. */
export function referenceNear(weights: ReadonlyMap<string, HostTensor>, share: number): Map<string, HostTensor> {
  const noise = draw(
    [...weights].map(([name, { dims }]) => [name, dims] as const),
    3,
    () => ({ centre: 0, spread: share }),
  );
  return new Map(
    [...weights].map(([name, { dims, data }]) => {
      const added = (noise.get(name) as HostTensor).data;
      return [name, { dims, data: data.map((value, i) => value + (added[i] as number)) }];
    }),
  );
}

function draw(
  parameters: readonly (readonly [name: string, dims: readonly number[]])[],
  seed: number,
  of: (name: string, dims: readonly number[]) => { readonly centre: number; readonly spread: number },
): Map<string, HostTensor> {
  return new Map(
    parameters.map(([name, dims], index) => {
      const { centre, spread } = of(name, dims);
      const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
      for (let i = 0; i < data.length; i++)
        data[i] = centre + spread * (2 * uniform([i, index, 0, 0], [seed, 0x5010]) - 1);
      return [name, { dims, data }];
    }),
  );
}

/** Says whether the weights that a fixture was made of are those made here. */
export function digestOf(tensors: ReadonlyMap<string, HostTensor>): string {
  const hash = createHash('sha256');
  for (const { data } of tensors.values()) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex').slice(0, 16);
}

/** Ids from 1 on: id 0 is what some models fill batches with, and its row of the embedding takes no gradient in PyTorch. */
export const referenceIds = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => 1 + ((i * i * 7 + i * 3 + salt * 11) % 31));

/** Longer than the windows and than the positions of dynamic scaling, and shorter; responses of different lengths. */
export const REFERENCE_TREES: readonly Tree[] = [
  { prompt: referenceIds(21, 1), branches: [referenceIds(5, 2), referenceIds(3, 3)] },
  { prompt: referenceIds(9, 4), branches: [referenceIds(2, 5), referenceIds(6, 6)] },
];

/** Weights of the log-probabilities whose sum is differentiated, by target in its order. */
export const referenceDerivatives = (targets: number): Float32Array =>
  Float32Array.from({ length: targets }, (_, i) => ((7 * i) % 5) / 4 - 0.375);

export const REFERENCE_SAMPLED_TOKENS = 8;

export interface ReferenceModel {
  readonly name: string;
  readonly config: ModelConfig;
  readonly weights: Map<string, HostTensor>;
  readonly lora: LoraOptions;
  readonly adapter: Map<string, HostTensor>;
}

export function referenceModel(name: string): ReferenceModel {
  const config = parseModelConfig(REFERENCE_MODELS[name]);
  const lora = referenceLora(name);
  return { name, config, weights: referenceWeights(config), lora, adapter: referenceAdapter(config, lora) };
}
