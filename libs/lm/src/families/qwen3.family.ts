import { LLAMA_BLOCK, llamaBlockSettings, type Family } from './family.ts';
import { QWEN_IGNORES, QWEN_WINDOW_DEFAULTS, QWEN_WINDOW_SETTINGS, qwenLayers, qwenWindowSettings } from './qwen.ts';

/** Qwen3 (dense): norms on each head's queries and keys. */
export const QWEN3: Family = {
  ...LLAMA_BLOCK,
  modelType: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  reads: [...QWEN_WINDOW_SETTINGS, 'attention_bias'],
  ignores: QWEN_IGNORES,
  defaults: { num_key_value_heads: 32, head_dim: 128, max_position_embeddings: 32_768, ...QWEN_WINDOW_DEFAULTS },
  biases: (config) => {
    const bias = config.flag('attention_bias');
    return { qkv: bias, output: bias, mlp: false };
  },
  headNorms: true,
  layers: qwenLayers,
  settings: (config) => ({
    ...llamaBlockSettings(config),
    attention_bias: config.biases.qkv,
    ...qwenWindowSettings(config),
  }),
};
