import { sharedRope } from '../rotary.ts';
import { LLAMA_BLOCK, llamaBlockSettings, oneKind, type Family } from './family.ts';

/** Mistral: Llama's block; early versions see only a window of the last tokens. */
export const MISTRAL: Family = {
  ...LLAMA_BLOCK,
  modelType: 'mistral',
  architecture: 'MistralForCausalLM',
  defaults: { num_key_value_heads: 8, max_position_embeddings: 131_072, sliding_window: 4096 },
  biases: () => ({ qkv: false, output: false, mlp: false }),
  layers: (config, count, rope) =>
    oneKind(count, { ...rope(sharedRope(config)), slidingWindow: config.optionalWhole('sliding_window') }),
  settings: (config) => ({
    ...llamaBlockSettings(config),
    sliding_window: config.layerKinds[0]?.slidingWindow ?? null,
  }),
};
