import { inShort } from '@solopo/text';
import { ConfigReader } from './config-reader.ts';
import { FAMILIES, type FamilyName } from './families/families.ts';
import type { Activation, Family, Norms } from './families/family.ts';
import { ModelError } from './model.error.ts';
import { modelSettings } from './model-settings.ts';
import { readRope, type Rope } from './rotary.ts';
import { demandKnownSettings, idleSettings } from './setting-rules.ts';

/** What may differ from layer to layer. */
export interface LayerKind extends Rope {
  /** Keys a token can see, itself included; null: all before it. */
  readonly slidingWindow: number | null;
}

/** The architecture of a decoder-only transformer, as `config.json` gives it. */
export interface ModelConfig {
  readonly family: FamilyName;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; each serves heads / kvHeads query heads. */
  readonly kvHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  /** Each kind of layer once, and which of them every layer is. */
  readonly layerKinds: readonly LayerKind[];
  readonly kindOfLayer: readonly number[];
  readonly rmsNormEps: number;
  /** The output layer is the embedding table. */
  readonly tiedEmbeddings: boolean;
  readonly maxPositions: number;
  readonly biases: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean };
  readonly activation: Activation;
  readonly norms: Norms;
  readonly headNorms: boolean;
  /** Factors on the embeddings as they enter the first block, and on the attention's scores. */
  readonly embeddingScale: number;
  readonly queryScale: number;
}

export function layerKind({ layerKinds, kindOfLayer }: ModelConfig, layer: number): LayerKind {
  return layerKinds[kindOfLayer[layer] as number] as LayerKind;
}

/** Settings of a config.json that parseModelConfig reads which change nothing, with the reason. */
export function idleModelSettings(json: unknown): [key: string, why: string][] {
  const settings = new ConfigReader(json);
  return idleSettings(settings, modelSettings(FAMILIES[settings.get('model_type') as FamilyName]));
}

/** Far above any model's: what a file asks for is not made before its weights are seen. */
const MAX_LAYERS = 10_000;

/**
 * Reads a Hugging Face `config.json`.
 * @throws ModelError that names the setting which is missing, out of range or not supported.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  refuseOtherKinds(new ConfigReader(json));
  const name = new ConfigReader(json).get('model_type');
  if (typeof name !== 'string' || !Object.hasOwn(FAMILIES, name)) {
    const known = Object.keys(FAMILIES).map((family) => `"${family}"`);
    throw new ModelError(
      `config.json: model_type ${name === undefined ? 'is missing and' : inShort(name)} is not supported; supported are ${known.join(', ')}; register a model of one of these families`,
    );
  }
  const family: Family = FAMILIES[name as FamilyName];
  demandKnownSettings(new ConfigReader(json), modelSettings(family));
  const config = new ConfigReader({ ...family.defaults, ...(json as Record<string, unknown>) });
  for (const [key, values] of Object.entries(family.supported)) config.only(key, values);
  config.only('is_causal', [true, null, undefined]);

  const hiddenSize = config.whole('hidden_size');
  const layers = config.whole('num_hidden_layers');
  if (layers > MAX_LAYERS)
    throw new ModelError(
      `config.json: num_hidden_layers is ${layers}; more than ${MAX_LAYERS} are not supported; correct it`,
    );
  const heads = config.whole('num_attention_heads');
  const kvHeads = config.whole('num_key_value_heads', heads);
  const headSize = config.whole('head_dim', hiddenSize / heads);
  if (heads % kvHeads !== 0)
    throw new ModelError(
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}; correct them, or fetch the file again`,
    );
  if (headSize % 2 !== 0)
    throw new ModelError(
      `config.json: head size ${headSize} is odd; rotary embeddings need an even one; correct head_dim, or register another model`,
    );
  const maxPositions = config.whole('max_position_embeddings');
  const kinds = family.layers(config, layers, (source) => readRope(config, source, maxPositions));
  const layerKinds = [...new Set(kinds)];
  return {
    family: name as FamilyName,
    vocabSize: config.whole('vocab_size'),
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headSize,
    intermediateSize: config.whole('intermediate_size'),
    layerKinds,
    kindOfLayer: kinds.map((kind) => layerKinds.indexOf(kind)),
    rmsNormEps: config.positive('rms_norm_eps', 1e-6),
    tiedEmbeddings: config.flag('tie_word_embeddings'),
    maxPositions,
    biases: family.biases(config),
    activation: family.activation,
    norms: family.norms,
    headNorms: family.headNorms,
    embeddingScale: family.embeddingScale(hiddenSize),
    queryScale: family.queryScale(config, headSize),
  };
}

/** What files of these kinds hold is not this architecture's parameters, so each is told by its name. */
export function refuseOtherKinds(config: ConfigReader): void {
  const quantization = config.get('quantization_config');
  if (typeof quantization === 'object' && quantization !== null) {
    const { quant_method: method } = quantization as { quant_method?: unknown };
    throw new ModelError(
      `config.json: the weights are quantised (quantization_config, ${typeof method === 'string' ? method : 'no quant_method'}), and are read as float32, bfloat16 or float16; register the model it was made from, and set frozenWeights for less memory`,
    );
  }
  if (config.get('vision_config') !== undefined && config.get('vision_config') !== null)
    throw new ModelError(
      'config.json: this model sees images (vision_config), and only models of text are read; register its text model, or another',
    );
}

/** The inverse of parseModelConfig, as other tools read it. */
export function formatModelConfig(config: ModelConfig): Record<string, unknown> {
  const family: Family = FAMILIES[config.family];
  return {
    architectures: [family.architecture],
    model_type: family.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headSize,
    intermediate_size: config.intermediateSize,
    rms_norm_eps: config.rmsNormEps,
    tie_word_embeddings: config.tiedEmbeddings,
    max_position_embeddings: config.maxPositions,
    ...family.settings(config),
    torch_dtype: 'float32',
  };
}
