import { LLAMA_BLOCK, llamaBlockSettings, type Family } from './family.ts';

/** Qwen3 (dense): norms on each head's queries and keys. */
export const QWEN3: Family = {
  ...LLAMA_BLOCK,
  modelType: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  defaults: { num_key_value_heads: 32, head_dim: 128, max_position_embeddings: 32_768 },
  supported: { ...LLAMA_BLOCK.supported, use_sliding_window: [false, undefined] },
  biases: (config) => {
    const bias = config.flag('attention_bias');
    return { qkv: bias, output: bias, mlp: false };
  },
  headNorms: true,
  settings: (config) => ({
    ...llamaBlockSettings(config),
    attention_bias: config.biases.qkv,
    use_sliding_window: false,
  }),
};
