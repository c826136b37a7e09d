import { LLAMA_BLOCK, llamaBlockSettings, type Family } from './family.ts';

/** Llama 2 and 3.x. */
export const LLAMA: Family = {
  ...LLAMA_BLOCK,
  modelType: 'llama',
  architecture: 'LlamaForCausalLM',
  defaults: { max_position_embeddings: 2048 },
  biases: (config) => {
    const bias = config.flag('attention_bias');
    return { qkv: bias, output: bias, mlp: config.flag('mlp_bias') };
  },
  settings: (config) => ({
    ...llamaBlockSettings(config),
    attention_bias: config.biases.qkv,
    mlp_bias: config.biases.mlp,
  }),
};
