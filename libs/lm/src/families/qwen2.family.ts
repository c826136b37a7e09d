import { LLAMA_BLOCK, llamaBlockSettings, type Family } from './family.ts';
import { QWEN_IGNORES, QWEN_WINDOW_DEFAULTS, QWEN_WINDOW_SETTINGS, qwenLayers, qwenWindowSettings } from './qwen.ts';

/** Qwen2 and Qwen2.5: biases on queries, keys and values. */
export const QWEN2: Family = {
  ...LLAMA_BLOCK,
  modelType: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  reads: QWEN_WINDOW_SETTINGS,
  ignores: {
    ...QWEN_IGNORES,
    attention_bias: 'queries, keys and values always have biases, the output projection never',
  },
  defaults: { num_key_value_heads: 32, max_position_embeddings: 32_768, ...QWEN_WINDOW_DEFAULTS },
  biases: () => ({ qkv: true, output: false, mlp: false }),
  layers: qwenLayers,
  settings: (config) => ({ ...llamaBlockSettings(config), ...qwenWindowSettings(config) }),
};
