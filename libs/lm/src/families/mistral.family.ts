import type { Family } from './family.ts';

/** Mistral: Llama's block; early versions see only a window of the last tokens. */
export const MISTRAL: Family = {
  modelType: 'mistral',
  architecture: 'MistralForCausalLM',
  biases: () => ({ qkv: false, output: false, mlp: false }),
  headNorms: false,
  slidingWindow: (config) => config.optionalWhole('sliding_window'),
};
