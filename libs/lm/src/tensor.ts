import * as ort from 'onnxruntime-node';
import type { DType } from '@solopo/onnx-graph';

/** A tensor where the runtime computes. On the processor its numbers are at hand; from a device they are read. */
export interface Tensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly size: number;
}

export const float32 = (data: Float32Array, dims: readonly number[]): Tensor =>
  new ort.Tensor('float32', data, [...dims]);
export const int32 = (data: Int32Array, dims: readonly number[]): Tensor => new ort.Tensor('int32', data, [...dims]);
export const int64 = (values: Iterable<number>, dims: readonly number[]): Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [...dims]);

export const int8 = (data: Int8Array, dims: readonly number[]): Tensor => new ort.Tensor('int8', data, [...dims]);
export const uint8 = (data: Uint8Array, dims: readonly number[]): Tensor => new ort.Tensor('uint8', data, [...dims]);

/**
 * Of the bits of half-precision numbers. Not by the constructor of onnxruntime's tensors: where Node has a Float16Array it makes
 * one, which onnxruntime-node 1.30 cannot read.
 */
export function float16(bits: Uint16Array, dims: readonly number[]): Tensor {
  const tensor = { type: 'float16', dims, size: bits.length, data: bits, location: 'cpu' };
  return tensor;
}

/** The numbers of a tensor that lies in this process's memory: itself, not a copy. */
export function hostFloats(tensor: Tensor): Float32Array {
  return (tensor as ort.Tensor).data as Float32Array;
}

/** The memory of a tensor that lies in this process's: itself, not a copy. */
export function hostBytes(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = (tensor as ort.Tensor).data as Float32Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

export function hostIntegers(tensor: Tensor): BigInt64Array {
  return (tensor as ort.Tensor).data as BigInt64Array;
}

/** out[place] += factor * rows[i], with rows of d numbers. */
export function addRow(
  out: Float32Array,
  place: number,
  factor: number,
  rows: Float32Array,
  i: number,
  d: number,
): void {
  for (let j = 0; j < d; j++)
    out[place * d + j] = (out[place * d + j] as number) + factor * (rows[i * d + j] as number);
}

/** In this process's memory. */
export function zerosLike({ dims }: Tensor): Tensor {
  return float32(new Float32Array(dims.reduce((product, dim) => product * dim, 1)), dims);
}

export const isOnDevice = (tensor: Tensor): boolean => (tensor as ort.Tensor).location === 'gpu-buffer';

const BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  int64: 8,
  int8: 1,
  uint8: 1,
  bool: 1,
};
export const bytesOf = ({ type, size }: Tensor): number => size * (BYTES[type] ?? 8);

export const sumOfBytes = (tensors: Readonly<Record<string, Tensor>>): number =>
  Object.values(tensors).reduce((sum, tensor) => sum + bytesOf(tensor), 0);

export const dtypeOf = ({ type }: Tensor): DType => type as DType;
