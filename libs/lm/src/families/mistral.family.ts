import { sharedRope } from '../rotary.ts';
import { LLAMA_BLOCK, llamaBlockSettings, type Family } from './family.ts';
import { formatLayerTypes, layerTypes, windowedLayers, windowOf } from './layer-types.ts';

/**
 * Mistral: Llama's block; early versions see only a window of the last tokens. With `layer_types` the layers differ:
 * AutoModel of transformers then builds a Ministral, which has the same parameters.
 */
export const MISTRAL: Family = {
  ...LLAMA_BLOCK,
  modelType: 'mistral',
  architecture: 'MistralForCausalLM',
  reads: ['sliding_window', 'layer_types'],
  ignores: {
    attention_bias: 'no linear layer has a bias',
    mlp_bias: 'no linear layer has a bias',
    use_sliding_window: 'sliding_window and layer_types say it alone',
    max_window_layers: 'sliding_window and layer_types say it alone',
  },
  defaults: { num_key_value_heads: 8, max_position_embeddings: 131_072, sliding_window: 4096 },
  biases: () => ({ qkv: false, output: false, mlp: false }),
  layers: (config, count, rope) => {
    const window = config.optionalWhole('sliding_window');
    const types = layerTypes(config, count, () => (window === null ? 'full_attention' : 'sliding_attention'));
    return windowedLayers(types, rope(sharedRope(config)), window);
  },
  settings: (config) => ({
    ...llamaBlockSettings(config),
    sliding_window: windowOf(config),
    ...(config.layerKinds.length > 1 ? { layer_types: formatLayerTypes(config) } : {}),
  }),
};

/** The name that transformers 5 gives a Mistral with `layer_types` when it writes one. */
export const MINISTRAL: Family = { ...MISTRAL, modelType: 'ministral', architecture: 'MinistralForCausalLM' };
