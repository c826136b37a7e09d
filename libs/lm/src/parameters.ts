import type { ModelConfig } from './model-config.ts';

/** Names and shapes of a block's weights, after `model.layers.N.`, in the order of the block graph's inputs. */
export function blockParameters(config: ModelConfig): readonly (readonly [name: string, dims: readonly number[]])[] {
  const { hiddenSize: d, heads, kvHeads, headSize, intermediateSize: f } = config;
  return [
    ['input_layernorm.weight', [d]],
    ['self_attn.q_proj.weight', [heads * headSize, d]],
    ['self_attn.q_proj.bias', [heads * headSize]],
    ['self_attn.k_proj.weight', [kvHeads * headSize, d]],
    ['self_attn.k_proj.bias', [kvHeads * headSize]],
    ['self_attn.v_proj.weight', [kvHeads * headSize, d]],
    ['self_attn.v_proj.bias', [kvHeads * headSize]],
    ['self_attn.o_proj.weight', [d, heads * headSize]],
    ['post_attention_layernorm.weight', [d]],
    ['mlp.gate_proj.weight', [f, d]],
    ['mlp.up_proj.weight', [f, d]],
    ['mlp.down_proj.weight', [d, f]],
  ];
}

export const EMBEDDING = 'model.embed_tokens.weight';
export const FINAL_NORM = 'model.norm.weight';
export const OUTPUT = 'lm_head.weight';

export const layerParameter = (layer: number, name: string): string => `model.layers.${layer}.${name}`;

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

/** The table of the output layer: its own, or the embedding's. */
export const outputParameter = (config: ModelConfig): string => (config.tiedEmbeddings ? EMBEDDING : OUTPUT);

export const parameterCount = (config: ModelConfig): number =>
  modelParameters(config).reduce((sum, [, dims]) => sum + dims.reduce((product, dim) => product * dim, 1), 0);
