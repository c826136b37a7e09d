import { ModelError } from '../model.error.ts';
import { sharedRope } from '../rotary.ts';
import { LLAMA_BLOCK, llamaBlockSettings, oneKind, type Family } from './family.ts';
import { layerTypes } from './layer-types.ts';

/** Llama 2 and 3.x. */
export const LLAMA: Family = {
  ...LLAMA_BLOCK,
  modelType: 'llama',
  architecture: 'LlamaForCausalLM',
  reads: ['attention_bias', 'mlp_bias', 'layer_types', 'sliding_window'],
  ignores: {
    use_sliding_window: 'the model has no windows',
    max_window_layers: 'the model has no windows',
  },
  defaults: { max_position_embeddings: 2048 },
  // transformers' model has no window either, but its cache forgets what lies before one: it would generate by other numbers.
  supported: { ...LLAMA_BLOCK.supported, sliding_window: [null, undefined] },
  biases: (config) => {
    const bias = config.flag('attention_bias');
    return { qkv: bias, output: bias, mlp: config.flag('mlp_bias') };
  },
  layers: (config, count, rope) => {
    if (layerTypes(config, count, () => 'full_attention').includes('sliding_attention'))
      throw new ModelError(
        'config.json: layer_types "sliding_attention" is not supported for model_type "llama", whose layers have no windows; make them "full_attention", or take model_type "mistral"',
      );
    return oneKind(count, { ...rope(sharedRope(config)), slidingWindow: null });
  },
  settings: (config) => ({
    ...llamaBlockSettings(config),
    attention_bias: config.biases.qkv,
    mlp_bias: config.biases.mlp,
  }),
};
