import { ModelError } from './model.error.ts';
import { parseModelConfig, type ModelConfig } from './model-config.ts';
import { checkWeights } from './model-folder.ts';
import { layerParameter } from './parameters.ts';
import { neighboursToHalves } from './rotary-rows.ts';
import type { HostTensor } from './safetensors.ts';

const HEADER_INTS = 7;

/**
 * Reads a model file of llama2.c (version 0): seven little-endian int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads,
 * vocab_size, seq_len), then float32 tensors. A positive vocab_size says that the output layer is the embedding. Its rotary
 * pairs are neighbours (2i, 2i + 1); rows of the query and key projections are put into Hugging Face's halves order.
 * @throws ModelError when the file's size is not what its header says
 */
export function readLlama2c(file: Buffer): { config: ModelConfig; weights: Map<string, HostTensor> } {
  if (file.length < 4 * HEADER_INTS) throw new ModelError('the llama2.c file is shorter than its header');
  const [dim, hiddenDim, layers, heads, kvHeads, vocabulary, positions] = Array.from({ length: HEADER_INTS }, (_, i) =>
    file.readInt32LE(4 * i),
  ) as [number, number, number, number, number, number, number];
  const tied = vocabulary > 0;
  const config = parseModelConfig({
    model_type: 'llama',
    vocab_size: Math.abs(vocabulary),
    hidden_size: dim,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    intermediate_size: hiddenDim,
    max_position_embeddings: positions,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: tied,
  });
  const { headSize, vocabSize } = config;
  const kvDim = kvHeads * headSize;
  const tables = 2 * positions * (headSize / 2);
  const sizes = [
    vocabSize * dim,
    layers * dim,
    layers * dim * dim,
    2 * layers * kvDim * dim,
    layers * dim * dim,
    layers * dim,
    3 * layers * dim * hiddenDim,
    dim,
    tables,
    tied ? 0 : vocabSize * dim,
  ];
  const expected = 4 * (HEADER_INTS + sizes.reduce((sum, size) => sum + size, 0));
  if (file.length !== expected)
    throw new ModelError(
      `the llama2.c file has ${file.length} bytes, its header asks for ${expected}; it is truncated or of another version`,
    );

  let offset = 4 * HEADER_INTS;
  const take = (...dims: number[]): HostTensor => {
    const count = dims.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length: count }, (_, i) => file.readFloatLE(offset + 4 * i));
    offset += 4 * count;
    return { dims, data };
  };
  const perLayer = (...dims: number[]): HostTensor[] => Array.from({ length: layers }, () => take(...dims));
  const embedding = take(vocabSize, dim);
  const parts: Record<string, HostTensor[]> = {
    'input_layernorm.weight': perLayer(dim),
    'self_attn.q_proj.weight': perLayer(dim, dim).map((w) => toHalves(w, headSize)),
    'self_attn.k_proj.weight': perLayer(kvDim, dim).map((w) => toHalves(w, headSize)),
    'self_attn.v_proj.weight': perLayer(kvDim, dim),
    'self_attn.o_proj.weight': perLayer(dim, dim),
    'post_attention_layernorm.weight': perLayer(dim),
    'mlp.gate_proj.weight': perLayer(hiddenDim, dim),
    'mlp.down_proj.weight': perLayer(dim, hiddenDim),
    'mlp.up_proj.weight': perLayer(hiddenDim, dim),
  };
  const norm = take(dim);
  offset += 4 * tables;
  const tensors = new Map<string, HostTensor>([
    ['model.embed_tokens.weight', embedding],
    ...Object.entries(parts).flatMap(([name, tensorsOfLayers]) =>
      tensorsOfLayers.map((tensor, layer) => [layerParameter(layer, name), tensor] as const),
    ),
    ['model.norm.weight', norm],
    ...(tied ? [] : [['lm_head.weight', take(vocabSize, dim)] as const]),
  ]);
  return { config, weights: checkWeights(config, tensors) };
}

function toHalves({ dims, data }: HostTensor, headSize: number): HostTensor {
  return { dims, data: neighboursToHalves(data, dims[0] as number, headSize) };
}
