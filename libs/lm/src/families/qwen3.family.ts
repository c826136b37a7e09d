import type { Family } from './family.ts';

/** Qwen3 (dense): norms on each head's queries and keys. */
export const QWEN3: Family = {
  modelType: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  biases: (config) => {
    const bias = config.flag('attention_bias');
    return { qkv: bias, output: bias, mlp: false };
  },
  headNorms: true,
  slidingWindow: (config) => {
    config.only('use_sliding_window', [false, undefined]);
    return null;
  },
};
