import { parseModelConfig, type HostTensor, type ModelConfig } from '../index.ts';
import { referenceWeights, TINY_SHAPE } from './reference-models.fixture.ts';

/*
 * Folders as people bring them, unusual but valid: what config.json and the tensors of a file say of each other.
 * tools/parity writes them for PyTorch, and tests make them anew.
 */

const shape = { ...TINY_SHAPE, model_type: 'llama', rope_theta: 100 };
const tied = { ...shape, tie_word_embeddings: true };
const EMBEDDING = 'model.embed_tokens.weight';
const OUTPUT = 'lm_head.weight';

export interface ReferenceCheckpoint {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

type Tensors = Map<string, HostTensor>;
type Case = readonly [settings: Readonly<Record<string, unknown>>, tensors: (config: ModelConfig) => Tensors];

const plain = (config: ModelConfig): Tensors => referenceWeights(config);
const withBothTables = (config: ModelConfig): Tensors => referenceWeights({ ...config, tiedEmbeddings: false });

const CASES: Readonly<Record<string, Case>> = {
  llama: [shape, plain],
  'mistral, layer types': [
    { ...shape, model_type: 'mistral', sliding_window: 8, layer_types: ['sliding_attention', 'full_attention'] },
    plain,
  ],
  ministral: [
    { ...shape, model_type: 'ministral', sliding_window: 8, layer_types: ['full_attention', 'sliding_attention'] },
    plain,
  ],
  'qwen2, windows from a layer on': [
    { ...shape, model_type: 'qwen2', use_sliding_window: true, sliding_window: 8, max_window_layers: 1 },
    plain,
  ],
  'qwen2, windows by layer types': [
    {
      ...shape,
      model_type: 'qwen2',
      use_sliding_window: true,
      sliding_window: 8,
      max_window_layers: 2,
      layer_types: ['sliding_attention', 'full_attention'],
    },
    plain,
  ],
  'qwen2, a window that is not used': [
    { ...shape, model_type: 'qwen2', use_sliding_window: false, sliding_window: 8, max_window_layers: 0 },
    plain,
  ],
  'qwen3, windows from a layer on': [
    { ...shape, model_type: 'qwen3', use_sliding_window: true, sliding_window: 8, max_window_layers: 1 },
    plain,
  ],
  'tied, one table': [tied, plain],
  'tied, with another output table': [tied, withBothTables],
  'tied, with the embedding a second time': [
    tied,
    (config) => {
      const weights = plain(config);
      return weights.set(OUTPUT, weights.get(EMBEDDING) as HostTensor);
    },
  ],
  'tied, with the output table alone': [
    tied,
    (config) => {
      const weights = withBothTables(config);
      weights.delete(EMBEDDING);
      return weights;
    },
  ],
  'rotary frequencies of older programs': [
    shape,
    (config) => {
      const weights = plain(config);
      for (const layer of [0, 1])
        weights.set(`model.layers.${layer}.self_attn.rotary_emb.inv_freq`, {
          dims: [4],
          data: Float32Array.of(4, 3, 2, 1),
        });
      return weights;
    },
  ],
  'yarn, mscale_all_dim 0': [
    {
      ...shape,
      rope_theta: undefined,
      rope_parameters: {
        rope_type: 'yarn',
        rope_theta: 100,
        factor: 4,
        original_max_position_embeddings: 16,
        mscale: 0.7,
        mscale_all_dim: 0,
      },
    },
    plain,
  ],
};

export const REFERENCE_CHECKPOINTS: readonly string[] = Object.keys(CASES);

export function referenceCheckpoint(name: string): ReferenceCheckpoint {
  const [settings, tensors] = CASES[name] as Case;
  return { settings, tensors: tensors(parseModelConfig(settings)) };
}

/** The matrices of an adapter: the same in Python, to the last bit. `index` is the name's place among the sorted ones. */
export function referenceMatrix(index: number, dims: readonly number[]): HostTensor {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return { dims, data: Float32Array.from({ length: size }, (_, i) => (((7 * i + 13 * index) % 31) - 15) / 32) };
}
