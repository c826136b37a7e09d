import { ModelError } from './model.error.ts';

/** The architecture of a decoder-only transformer, as `config.json` gives it. */
export interface ModelConfig {
  readonly family: 'qwen2';
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
  readonly rmsNormEps: number;
  /** The output layer is the embedding table. */
  readonly tiedEmbeddings: boolean;
  readonly maxPositions: number;
}

/**
 * Reads a Hugging Face `config.json`.
 * @throws ModelError that names the setting which is missing, out of range or not supported.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  if (json === null || typeof json !== 'object' || Array.isArray(json))
    throw new ModelError('config.json is not a JSON object');
  const config = json as Readonly<Record<string, unknown>>;
  if (config.model_type !== 'qwen2') {
    throw new ModelError(
      `config.json: model_type ${JSON.stringify(config.model_type)} is not supported; use a Qwen2 or Qwen2.5 model ("qwen2")`,
    );
  }
  const whole = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) <= 0)
      throw new ModelError(`config.json: ${key} must be a positive whole number, not ${JSON.stringify(value)}`);
    return value as number;
  };
  const positive = (key: string, fallback: number): number => {
    const value = config[key] ?? fallback;
    if (typeof value !== 'number' || !(value > 0))
      throw new ModelError(`config.json: ${key} must be a positive number, not ${JSON.stringify(value)}`);
    return value;
  };
  const refuse = (key: string, supported: readonly unknown[]): void => {
    if (!supported.includes(config[key]))
      throw new ModelError(`config.json: ${key} = ${JSON.stringify(config[key])} is not supported`);
  };
  refuse('hidden_act', ['silu', undefined]);
  refuse('rope_scaling', [null, undefined]);
  refuse('use_sliding_window', [false, undefined]);

  const hiddenSize = whole('hidden_size');
  const heads = whole('num_attention_heads');
  const kvHeads = whole('num_key_value_heads', heads);
  const headSize = whole('head_dim', hiddenSize / heads);
  if (heads % kvHeads !== 0)
    throw new ModelError(
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  if (headSize % 2 !== 0)
    throw new ModelError(`config.json: head size ${headSize} is odd; rotary embeddings need an even one`);
  return {
    family: 'qwen2',
    vocabSize: whole('vocab_size'),
    hiddenSize,
    layers: whole('num_hidden_layers'),
    heads,
    kvHeads,
    headSize,
    intermediateSize: whole('intermediate_size'),
    ropeTheta: positive('rope_theta', 10_000),
    rmsNormEps: positive('rms_norm_eps', 1e-6),
    tiedEmbeddings: config.tie_word_embeddings === true,
    maxPositions: whole('max_position_embeddings', 32_768),
  };
}

/** The inverse of parseModelConfig, as other tools read it. */
export function formatModelConfig(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: ['Qwen2ForCausalLM'],
    model_type: config.family,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    ...(config.headSize * config.heads === config.hiddenSize ? {} : { head_dim: config.headSize }),
    intermediate_size: config.intermediateSize,
    hidden_act: 'silu',
    rope_theta: config.ropeTheta,
    rms_norm_eps: config.rmsNormEps,
    tie_word_embeddings: config.tiedEmbeddings,
    max_position_embeddings: config.maxPositions,
    use_sliding_window: false,
    torch_dtype: 'float32',
  };
}
