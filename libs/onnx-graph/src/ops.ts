import type { DType, LoopBody, Value } from './graph.ts';
import type { Shape } from './shape.ts';

type None = Readonly<Record<never, never>>;

export interface ProductAttributes {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

/** Every operator that a graph may hold, with its attributes. The tables of gradients and of encodings are total over it. */
export interface OpAttributes {
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Neg: None;
  Exp: None;
  Log: None;
  Sqrt: None;
  Reciprocal: None;
  Sigmoid: None;
  Silu: None;
  Tanh: None;
  Abs: None;
  Softmax: None;
  MatMul: ProductAttributes;
  /** MatMul of two matrices: every provider has it with its transposes. */
  Gemm: ProductAttributes;
  LoraMatMul: { readonly scale: number };
  HalfMatMul: { readonly transB: boolean };
  /** x / sqrt(mean x^2 + eps) * w as one operator. */
  RmsNorm: { readonly epsilon: number };
  /** x + y, normed so, and x + y. */
  AddedRmsNorm: { readonly epsilon: number };
  /** Of heads beside each other, by rows of tables of cosines and sines. */
  RotaryEmbedding: { readonly heads: number };
  /** To uint8, by scales and zero points of the first axis. */
  QuantizeLinear: None;
  /** uint8 by int8, summed as whole numbers, times the scales. */
  MatMulIntegerToFloat: None;
  /** By weights of 4 bits in blocks. */
  MatMulNBits: { readonly inputs: number; readonly outputs: number; readonly blockSize: number };
  ReduceSum: { readonly axes: readonly number[] };
  ReduceMean: { readonly axes: readonly number[] };
  ReduceLogSumExp: { readonly axes: readonly number[] };
  ReduceMax: { readonly axes: readonly number[] };
  ArgMax: { readonly axis: number };
  Reshape: { readonly shape: Shape };
  Transpose: { readonly perm: readonly number[] };
  Concat: { readonly axis: number };
  Split: { readonly axis: number };
  Shape: { readonly start: number; readonly end: number };
  Expand: None;
  Slice: { readonly axis: number };
  Pad: { readonly axis: number };
  /** Rows of a table, along the first axis. */
  Gather: None;
  ScatterND: None;
  GatherElements: None;
  ScatterElements: None;
  Where: None;
  Cast: { readonly to: DType };
  Equal: None;
  Less: None;
  LessOrEqual: None;
  And: None;
  Or: None;
  Loop: { readonly body: LoopBody };
}

export type OpName = keyof OpAttributes;

/** As a graph is written: with an operator that no graph is built of. */
export interface WrittenOpAttributes extends OpAttributes {
  Einsum: { readonly equation: string };
}

export type WrittenOpName = keyof WrittenOpAttributes;

export interface WrittenNode<K extends WrittenOpName = WrittenOpName> {
  readonly op: K;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: WrittenOpAttributes[K];
}
