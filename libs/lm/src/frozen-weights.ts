import { ModelError } from './model.error.ts';
import type { HostTensor } from './safetensors.ts';

/** How the linear layers' weights are kept where only an adapter on them is trained. */
export const FROZEN_WEIGHTS = ['float32', 'float16', 'int8'] as const;
export type FrozenWeights = (typeof FROZEN_WEIGHTS)[number];

/** The format that a fingerprint tells of. */
export function frozenWeightsOf(fingerprint: string): FrozenWeights {
  const [, named] = /, frozen weights (\w+)/.exec(fingerprint) ?? [];
  return FROZEN_WEIGHTS.find((format) => format === named) ?? 'float32';
}

/** Rounded to the nearest half-precision number: row-major bits. */
export interface Float16Tensor {
  readonly dims: readonly number[];
  readonly bits: Uint16Array<ArrayBuffer>;
}

/** Row-major [outputs, inputs]: value times the row's scale. */
export interface Int8Tensor {
  readonly dims: readonly number[];
  readonly values: Int8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
}

export type StoredTensor = HostTensor | Float16Tensor | Int8Tensor;
export type StoredTensors = ReadonlyMap<string, StoredTensor>;

/** Beside the int8 values of a parameter, the scales of its rows. */
export const scaleOf = (parameter: string): string => `${parameter}.scale`;

/** What is kept in the lower format. Tables, norms and biases stay as they are. */
export const isPacked = (parameter: string): boolean => parameter.endsWith('_proj.weight');

/** The parameter as it is kept; what is packed already stays so. @throws ModelError where a weight does not fit the format */
export function packWeight(name: string, tensor: StoredTensor, format: FrozenWeights): StoredTensor {
  if (format === 'float32' || !isPacked(name) || !('data' in tensor)) return tensor;
  return format === 'float16' ? toFloat16(name, tensor) : toInt8(name, tensor);
}

function toFloat16(name: string, { dims, data }: HostTensor): Float16Tensor {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const bits = new Uint16Array(data.length);
  for (let i = 0; i < words.length; i++) {
    const half = halfOf(words[i] as number);
    if ((half & 0x7c00) === 0x7c00)
      throw new ModelError(
        `parameter "${name}" has the value ${data[i]}, which float16 cannot hold; choose frozenWeights int8 or float32`,
      );
    bits[i] = half;
  }
  return { dims, bits };
}

/** Bits of the half-precision number nearest to the float32 of these bits; of two as near, the even one. */
function halfOf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 0xff) - 112;
  const fraction = word & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent < -10) return sign;
  // Below 2^-14 numbers are multiples of 2^-24.
  const shift = exponent > 0 ? 13 : 14 - exponent;
  const significand = exponent > 0 ? (exponent << 23) | fraction : fraction | 0x800000;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  // A carry out of the fraction is the next exponent.
  return sign | (kept + (rest > tie || (rest === tie && (kept & 1) === 1) ? 1 : 0));
}

/** Symmetric, a scale an output: the row's greatest magnitude is 127. */
export function toInt8(name: string, { dims, data }: HostTensor): Int8Tensor {
  const [outputs, inputs] = dims as readonly [number, number];
  const values = new Int8Array(data.length);
  const scales = new Float32Array(outputs);
  for (let row = 0; row < outputs; row++) {
    let greatest = 0;
    for (let i = row * inputs; i < (row + 1) * inputs; i++) greatest = Math.max(greatest, Math.abs(data[i] as number));
    if (!Number.isFinite(greatest)) throw new ModelError(`parameter "${name}" has values that are not finite`);
    const scale = Math.fround(greatest / 127);
    scales[row] = scale;
    // A row of numbers too small for a scale is one of zeros.
    if (scale === 0) continue;
    for (let i = row * inputs; i < (row + 1) * inputs; i++)
      values[i] = Math.max(-127, Math.min(127, Math.round((data[i] as number) / scale)));
  }
  return { dims, values, scales };
}
