import { ModelError } from './model.error.ts';
import { isPacked, scaleOf, toInt8, type StoredTensor } from './frozen-weights.ts';
import { EMBEDDING, OUTPUT } from './parameter-names.ts';
import type { HostTensor } from './safetensors.ts';
import type { TurnedWeights } from './turned-weights.ts';

/** How the linear layers' and the output table's weights are kept for answers, which no gradient is taken of. */
export const SAMPLING_WEIGHTS = ['float32', 'int8', 'int4'] as const;
export type SamplingWeights = (typeof SAMPLING_WEIGHTS)[number];
export type RoundedWeights = Exclude<SamplingWeights, 'float32'>;

/** Whether rows are turned before they are rounded. Those of int4 products have a scale for each block, which holds what is great apart. */
export const turnsRows = (format: SamplingWeights): boolean => format === 'int8';

/** Neighbouring weights of a row that share a scale. */
const BLOCK = 32;

/**
 * Row-major [outputs, inputs] in blocks of neighbouring values of a row: two values a byte, the first in the lower half, each 8 more
 * than it is, times the block's scale.
 */
export interface Int4Tensor {
  /** [outputs, inputs / 32, 16] */
  readonly dims: readonly [number, number, number];
  readonly nibbles: Uint8Array<ArrayBuffer>;
  /** [outputs * inputs / 32] */
  readonly scales: Float32Array<ArrayBuffer>;
}

export type SampledTensor = StoredTensor | Int4Tensor;

/** Parameters for answers, and which of those that should have been rounded could not be. */
export interface SampledWeights {
  readonly tensors: Map<string, SampledTensor>;
  /** By name; they are kept in float32. */
  readonly exact: readonly string[];
}

/**
 * Rounds linear layers and the output table. A table that tokens are looked up in stays as it is; where it is the output table too,
 * the rounded one stands beside it by the name of the output table. Where rows are turned before they are rounded, all parameters are
 * those of turned rows.
 */
export function roundWeights(
  weights: ReadonlyMap<string, StoredTensor>,
  format: RoundedWeights,
  turned?: TurnedWeights,
): SampledWeights {
  const tensors = new Map<string, SampledTensor>();
  const exact: string[] = [];
  const turn = (name: string, tensor: StoredTensor): StoredTensor =>
    turned && 'data' in tensor ? turned.of(name, tensor) : tensor;
  const round = (name: string, given: StoredTensor): void => {
    const tensor = turn(name, given);
    const rounded = 'data' in tensor ? rounding(name, tensor, format) : tensor;
    if (rounded === null) exact.push(name);
    tensors.set(name, rounded ?? tensor);
  };
  for (const [name, tensor] of weights) {
    if (isPacked(name) || name === OUTPUT) round(name, tensor);
    else tensors.set(name, turn(name, tensor));
  }
  const embedding = weights.get(EMBEDDING);
  if (!weights.has(OUTPUT) && embedding) round(OUTPUT, embedding);
  return { tensors, exact };
}

/** Null: the format cannot hold it. */
function rounding(name: string, tensor: HostTensor, format: RoundedWeights): SampledTensor | null {
  if (format === 'int4') return toInt4(tensor);
  try {
    return toInt8(name, tensor);
  } catch (error) {
    if (error instanceof ModelError) return null;
    throw error;
  }
}

/** A block's value of greatest magnitude becomes -8, as in ggml's Q4_0; null where there is no scale, or rows are not whole blocks. */
function toInt4({ dims, data }: HostTensor): Int4Tensor | null {
  const [outputs, inputs] = dims as readonly [number, number];
  if (inputs % BLOCK !== 0) return null;
  const blocks = inputs / BLOCK;
  const nibbles = new Uint8Array(data.length / 2);
  const scales = new Float32Array(outputs * blocks);
  for (let block = 0; block < scales.length; block++) {
    const from = block * BLOCK;
    let extreme = 0;
    for (let i = from; i < from + BLOCK; i++) {
      const value = data[i] as number;
      if (!Number.isFinite(value)) return null;
      if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    }
    const scale = Math.fround(extreme / -8);
    scales[block] = scale;
    for (let i = 0; i < BLOCK; i += 2)
      nibbles[(from + i) / 2] =
        nibble(data[from + i] as number, scale) | (nibble(data[from + i + 1] as number, scale) << 4);
  }
  return { dims: [outputs, blocks, BLOCK / 2], nibbles, scales };
}

function nibble(value: number, scale: number): number {
  return scale === 0 ? 8 : Math.max(0, Math.min(15, Math.round(value / scale) + 8));
}

/** As the graphs' inputs: a matrix [outputs, inputs] as it is kept, with its scales. */
export function roundedInputs(
  name: string,
  [outputs, inputs]: readonly [number, number],
  format: RoundedWeights,
): readonly (readonly [name: string, dtype: 'int8' | 'uint8' | 'float32', dims: readonly number[]])[] {
  if (format === 'int8')
    return [
      [name, 'int8', [outputs, inputs]],
      [scaleOf(name), 'float32', [outputs, 1]],
    ];
  return [
    [name, 'uint8', [outputs, inputs / BLOCK, BLOCK / 2]],
    [scaleOf(name), 'float32', [(outputs * inputs) / BLOCK]],
  ];
}
