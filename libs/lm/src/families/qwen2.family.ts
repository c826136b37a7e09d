import { LLAMA_BLOCK, llamaBlockSettings, type Family } from './family.ts';

/** Qwen2 and Qwen2.5: biases on queries, keys and values. */
export const QWEN2: Family = {
  ...LLAMA_BLOCK,
  modelType: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  defaults: { num_key_value_heads: 32, max_position_embeddings: 32_768 },
  supported: { ...LLAMA_BLOCK.supported, use_sliding_window: [false, undefined] },
  biases: () => ({ qkv: true, output: false, mlp: false }),
  settings: (config) => ({ ...llamaBlockSettings(config), use_sliding_window: false }),
};
