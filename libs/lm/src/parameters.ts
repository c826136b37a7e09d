import type { DType } from '@solopo/onnx-graph';
import { isPacked, type FrozenWeights } from './frozen-weights.ts';
import type { ModelConfig } from './model-config.ts';
import { EMBEDDING, FINAL_NORM, layerParameter, OUTPUT } from './parameter-names.ts';
import { roundedInputs, type RoundedWeights } from './sampling-weights.ts';

/** Names and shapes of a block's weights, after `model.layers.N.`, in the order of the block graph's inputs. */
export function blockParameters(config: ModelConfig): readonly (readonly [name: string, dims: readonly number[]])[] {
  const { hiddenSize: d, heads, kvHeads, headSize: k, intermediateSize: f, biases, headNorms, norms } = config;
  const linear = (
    name: string,
    outputs: number,
    inputs: number,
    bias: boolean,
  ): (readonly [string, readonly number[]])[] => [
    [`${name}.weight`, [outputs, inputs]],
    ...(bias ? [[`${name}.bias`, [outputs]] as const] : []),
  ];
  return [
    ['input_layernorm.weight', [d]],
    ...linear('self_attn.q_proj', heads * k, d, biases.qkv),
    ...linear('self_attn.k_proj', kvHeads * k, d, biases.qkv),
    ...linear('self_attn.v_proj', kvHeads * k, d, biases.qkv),
    ...linear('self_attn.o_proj', d, heads * k, biases.output),
    ...(headNorms ? [['self_attn.q_norm.weight', [k]] as const, ['self_attn.k_norm.weight', [k]] as const] : []),
    ['post_attention_layernorm.weight', [d]],
    ...(norms.after ? [['pre_feedforward_layernorm.weight', [d]] as const] : []),
    ...linear('mlp.gate_proj', f, d, biases.mlp),
    ...linear('mlp.up_proj', f, d, biases.mlp),
    ...linear('mlp.down_proj', d, f, biases.mlp),
    ...(norms.after ? [['post_feedforward_layernorm.weight', [d]] as const] : []),
  ];
}

/** How a model's matrices are kept. */
export interface StoredForm {
  /** Those of the linear layers, under an adapter. Default: float32. */
  readonly frozenWeights?: FrozenWeights;
  /** For answers alone: all matrices, but for the `exact` ones, by name, which are kept in float32. */
  readonly rounded?: { readonly format: RoundedWeights; readonly exact: readonly string[] };
}

/** A block's weights as they are kept, in the order of the block graph's inputs; `prefix` stands before their names in the model. */
export function storedBlockParameters(
  config: ModelConfig,
  { frozenWeights = 'float32', rounded }: StoredForm,
  prefix = '',
): readonly StoredParameter[] {
  return blockParameters(config).flatMap(([name, dims]): readonly StoredParameter[] => {
    if (!isPacked(name)) return [[name, 'float32', dims]];
    if (rounded && !rounded.exact.includes(`${prefix}${name}`))
      return roundedInputs(name, dims as readonly [number, number], rounded.format);
    if (frozenWeights === 'float32') return [[name, 'float32', dims]];
    if (frozenWeights === 'float16') return [[name, 'float16', dims]];
    return roundedInputs(name, dims as readonly [number, number], 'int8');
  });
}

type StoredParameter = readonly [name: string, dtype: DType, dims: readonly number[]];

export { EMBEDDING, FINAL_NORM, layerParameter, OUTPUT };

/** Parameters by what the graphs' inputs call them, and by their names in the model. */
export type NamedParameters = readonly (readonly [inGraph: string, inModel: string])[];

/** Every parameter of the model, in a fixed order. */
export function modelParameters(config: ModelConfig): readonly (readonly [name: string, dims: readonly number[]])[] {
  return [
    [EMBEDDING, [config.vocabSize, config.hiddenSize]],
    ...Array.from({ length: config.layers }, (_, layer) =>
      blockParameters(config).map(([name, dims]) => [layerParameter(layer, name), dims] as const),
    ).flat(),
    [FINAL_NORM, [config.hiddenSize]],
    ...(config.tiedEmbeddings ? [] : [[OUTPUT, [config.vocabSize, config.hiddenSize]] as const]),
  ];
}

/** Whether a parameter is a table [V, d] over the vocabulary: only these are split where a device has no buffer for them. */
export const isTable = (name: string): boolean => name === EMBEDDING || name === OUTPUT;

/** The table of the output layer: its own, or the embedding's. */
export const outputParameter = (config: ModelConfig): string => (config.tiedEmbeddings ? EMBEDDING : OUTPUT);

export const parameterCount = (config: ModelConfig): number =>
  modelParameters(config).reduce((sum, [, dims]) => sum + dims.reduce((product, dim) => product * dim, 1), 0);
