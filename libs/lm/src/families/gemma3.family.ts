import type { ConfigReader } from '../config-reader.ts';
import type { LayerKind } from '../model-config.ts';
import { ModelError } from '../model.error.ts';
import { formatRopeScaling, type RopeSource } from '../rotary.ts';
import type { Family } from './family.ts';
import { formatLayerTypes, layerTypes, typeOf, windowOf, type LayerType } from './layer-types.ts';

/**
 * Gemma 3, text models: norms of 1 + w before and after attention and feed-forward layers and on each head, scaled
 * embeddings, and several layers of local attention (a window, rotary theta of its own, no scaling) to one that sees all.
 */
export const GEMMA3: Family = {
  modelType: 'gemma3_text',
  architecture: 'Gemma3ForCausalLM',
  reads: [
    'attention_bias',
    'layer_types',
    'query_pre_attn_scalar',
    'rope_local_base_freq',
    'sliding_window',
    'sliding_window_pattern',
  ],
  ignores: {
    _sliding_window_pattern: 'layer_types stands beside it, where it was written',
    hidden_act: 'hidden_activation says it',
    mlp_bias: 'feed-forward layers have none',
    use_sliding_window: 'layer_types or sliding_window_pattern say it',
    max_window_layers: 'layer_types or sliding_window_pattern say it',
  },
  defaults: {
    vocab_size: 262_208,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 131_072,
    sliding_window: 4096,
    sliding_window_pattern: 6,
    query_pre_attn_scalar: 256,
    rope_theta: 1_000_000,
    rope_local_base_freq: 10_000,
    tie_word_embeddings: true,
  },
  supported: {
    hidden_activation: ['gelu_pytorch_tanh', undefined],
    attn_logit_softcapping: [null, undefined],
    final_logit_softcapping: [null, undefined],
    use_bidirectional_attention: [false, null, undefined],
  },
  biases: (config) => {
    const bias = config.flag('attention_bias');
    return { qkv: bias, output: bias, mlp: false };
  },
  activation: 'gelu-tanh',
  norms: { unitOffset: true, after: true },
  headNorms: true,
  // As the model computes it, in single precision.
  embeddingScale: (hiddenSize) => Math.fround(Math.sqrt(hiddenSize)),
  queryScale: (config) => 1 / Math.sqrt(config.positive('query_pre_attn_scalar')),
  layers: (config, count, rope) => {
    const sources = ropeSources(config);
    const kinds: Readonly<Record<LayerType, LayerKind>> = {
      full_attention: { ...rope(sources.full_attention), slidingWindow: null },
      sliding_attention: { ...rope(sources.sliding_attention), slidingWindow: config.whole('sliding_window') },
    };
    for (const { ropeScaling } of Object.values(kinds))
      if (ropeScaling?.type === 'yarn' && !ropeScaling.truncate)
        throw new ModelError(
          'config.json: truncate of yarn is supported here only as true, since transformers does not read it; take it out',
        );
    const types = layerTypes(config, count, (layer) =>
      (layer + 1) % config.whole('sliding_window_pattern') === 0 ? 'full_attention' : 'sliding_attention',
    );
    return types.map((type) => kinds[type]);
  },
  settings: (config) => {
    const { layerKinds, queryScale, biases } = config;
    const ropeOf = ({ ropeTheta, ropeScaling }: LayerKind) => ({
      rope_type: 'default',
      rope_theta: ropeTheta,
      ...formatRopeScaling(ropeScaling),
    });
    const window = windowOf(config);
    return {
      hidden_activation: 'gelu_pytorch_tanh',
      query_pre_attn_scalar: Number((queryScale ** -2).toPrecision(12)),
      attention_bias: biases.qkv,
      attn_logit_softcapping: null,
      final_logit_softcapping: null,
      layer_types: formatLayerTypes(config),
      ...(window === null ? {} : { sliding_window: window }),
      rope_parameters: Object.fromEntries(layerKinds.map((kind) => [typeOf(kind), ropeOf(kind)])),
    };
  },
};

/** By layer type in `rope_parameters`; in older files `rope_scaling` and `rope_theta` are those of the global layers. */
function ropeSources(config: ConfigReader): Readonly<Record<LayerType, RopeSource>> {
  const scaling = config.section('rope_scaling');
  const parameters = config.section('rope_parameters');
  const global = parameters?.section('full_attention');
  const local = parameters?.section('sliding_attention');
  if (parameters && !global && !local)
    throw new ModelError('config.json: rope_parameters must be by layer type: full_attention, sliding_attention');
  if (scaling && global)
    throw new ModelError('config.json: rope_scaling beside rope_parameters is not supported; keep one of them');
  return {
    full_attention: { section: scaling ?? global, theta: 'rope_theta' },
    sliding_attention: { section: local, theta: 'rope_local_base_freq' },
  };
}
