import type { Family } from './family.ts';

/** Qwen2 and Qwen2.5: biases on queries, keys and values. */
export const QWEN2: Family = {
  modelType: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  biases: () => ({ qkv: true, output: false, mlp: false }),
  headNorms: false,
  slidingWindow: (config) => {
    config.only('use_sliding_window', [false, undefined]);
    return null;
  },
};
