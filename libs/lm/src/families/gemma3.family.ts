import type { ConfigReader } from '../config-reader.ts';
import type { LayerKind } from '../model-config.ts';
import { ModelError } from '../model.error.ts';
import { formatRopeScaling, type RopeSource } from '../rotary.ts';
import type { Family } from './family.ts';

/**
 * Gemma 3, text models: norms of 1 + w before and after attention and feed-forward layers and on each head, scaled
 * embeddings, and several layers of local attention (a window, rotary theta of its own, no scaling) to one that sees all.
 */
export const GEMMA3: Family = {
  modelType: 'gemma3_text',
  architecture: 'Gemma3ForCausalLM',
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
          'config.json: truncate: false of yarn is not supported here; transformers does not read it',
        );
    return layerTypes(config, count).map((type) => kinds[type]);
  },
  settings: ({ layerKinds, kindOfLayer, queryScale, biases }) => {
    const ropeOf = ({ ropeTheta, ropeScaling }: LayerKind) => ({
      rope_type: 'default',
      rope_theta: ropeTheta,
      ...formatRopeScaling(ropeScaling),
    });
    const sliding = layerKinds.find(({ slidingWindow }) => slidingWindow !== null);
    return {
      hidden_activation: 'gelu_pytorch_tanh',
      query_pre_attn_scalar: Number((queryScale ** -2).toPrecision(12)),
      attention_bias: biases.qkv,
      attn_logit_softcapping: null,
      final_logit_softcapping: null,
      layer_types: kindOfLayer.map((kind) => typeOf(layerKinds[kind] as LayerKind)),
      ...(sliding ? { sliding_window: sliding.slidingWindow } : {}),
      rope_parameters: Object.fromEntries(layerKinds.map((kind) => [typeOf(kind), ropeOf(kind)])),
    };
  },
};

type LayerType = 'full_attention' | 'sliding_attention';

const typeOf = ({ slidingWindow }: LayerKind): LayerType =>
  slidingWindow === null ? 'full_attention' : 'sliding_attention';

/** `layer_types`, or every `sliding_window_pattern`-th layer a global one. */
function layerTypes(config: ConfigReader, count: number): readonly LayerType[] {
  const given = config.get('layer_types');
  if (given === undefined || given === null) {
    const pattern = config.whole('sliding_window_pattern');
    return Array.from({ length: count }, (_, i) => ((i + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention'));
  }
  const known: readonly unknown[] = ['full_attention', 'sliding_attention'];
  if (!Array.isArray(given) || given.length !== count || !given.every((type) => known.includes(type)))
    throw new ModelError(
      `config.json: layer_types must name ${count} layers, each "full_attention" or "sliding_attention", not ${JSON.stringify(given)}`,
    );
  return given as LayerType[];
}

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
