import { ConfigReader } from './config-reader.ts';
import { FAMILIES, type FamilyName } from './families/families.ts';
import { ModelError } from './model.error.ts';
import { formatRopeScaling, readRope, type RopeScaling } from './rotary.ts';

/** The architecture of a decoder-only transformer, as `config.json` gives it. */
export interface ModelConfig {
  readonly family: FamilyName;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; each serves heads / kvHeads query heads. */
  readonly kvHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  readonly rmsNormEps: number;
  /** The output layer is the embedding table. */
  readonly tiedEmbeddings: boolean;
  readonly maxPositions: number;
  readonly biases: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  readonly headNorms: boolean;
  /** Keys a token can see, itself included; null: all before it. */
  readonly slidingWindow: number | null;
}

/**
 * Reads a Hugging Face `config.json`.
 * @throws ModelError that names the setting which is missing, out of range or not supported.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  const config = new ConfigReader(json);
  const name = config.get('model_type');
  if (typeof name !== 'string' || !Object.hasOwn(FAMILIES, name)) {
    const known = Object.keys(FAMILIES).map((family) => `"${family}"`);
    throw new ModelError(
      `config.json: model_type ${JSON.stringify(name) ?? 'is missing and'} is not supported; supported are ${known.join(', ')}`,
    );
  }
  const family = FAMILIES[name as FamilyName];
  config.only('hidden_act', ['silu', undefined]);

  const hiddenSize = config.whole('hidden_size');
  const heads = config.whole('num_attention_heads');
  const kvHeads = config.whole('num_key_value_heads', heads);
  const headSize = config.whole('head_dim', hiddenSize / heads);
  if (heads % kvHeads !== 0)
    throw new ModelError(
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  if (headSize % 2 !== 0)
    throw new ModelError(`config.json: head size ${headSize} is odd; rotary embeddings need an even one`);
  const maxPositions = config.whole('max_position_embeddings', 32_768);
  return {
    family: name as FamilyName,
    vocabSize: config.whole('vocab_size'),
    hiddenSize,
    layers: config.whole('num_hidden_layers'),
    heads,
    kvHeads,
    headSize,
    intermediateSize: config.whole('intermediate_size'),
    ...readRope(config, 'full_attention', maxPositions),
    rmsNormEps: config.positive('rms_norm_eps', 1e-6),
    tiedEmbeddings: config.flag('tie_word_embeddings'),
    maxPositions,
    biases: family.biases(config),
    headNorms: family.headNorms,
    slidingWindow: family.slidingWindow(config),
  };
}

/** The inverse of parseModelConfig, as other tools read it. */
export function formatModelConfig(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: [FAMILIES[config.family].architecture],
    model_type: config.family,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headSize,
    intermediate_size: config.intermediateSize,
    hidden_act: 'silu',
    rope_theta: config.ropeTheta,
    rope_scaling: formatRopeScaling(config.ropeScaling),
    rms_norm_eps: config.rmsNormEps,
    tie_word_embeddings: config.tiedEmbeddings,
    max_position_embeddings: config.maxPositions,
    ...(config.family === 'llama' || config.family === 'qwen3' ? { attention_bias: config.biases.qkv } : {}),
    ...(config.family === 'llama' ? { mlp_bias: config.biases.mlp } : {}),
    ...(config.family === 'mistral' ? { sliding_window: config.slidingWindow } : { use_sliding_window: false }),
    torch_dtype: 'float32',
  };
}
