import type { Family } from './family.ts';

/** Llama 2 and 3.x. */
export const LLAMA: Family = {
  modelType: 'llama',
  architecture: 'LlamaForCausalLM',
  biases: (config) => {
    const bias = config.flag('attention_bias');
    return { qkv: bias, output: bias, mlp: config.flag('mlp_bias') };
  },
  headNorms: false,
  slidingWindow: () => null,
};
