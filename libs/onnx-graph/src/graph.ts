import { addDims, axisOf, broadcast, formatShape, sameShape, ShapeError, type Dim, type Shape } from './shape.ts';
import type { OpAttributes, OpName } from './ops.ts';

export type DType = 'float32' | 'float16' | 'int64' | 'int32' | 'int8' | 'uint8' | 'bool';

/** A device may sum a half-precision product in half precision: it is given no more terms at a time than these. */
const MAX_HALF_TERMS = 512;

export interface TensorData {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array;
}

/** A tensor in a graph: made once, by an input, a constant or a node. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface GraphNode<K extends OpName = OpName> {
  readonly op: K;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: OpAttributes[K];
}

/** Cosines and sines, and which of their rows are a token's. */
export type RotaryTables = Readonly<Record<'cos' | 'sin' | 'order', Value>>;

/** What a Loop repeats: it reads the states so far, the round's number (int64 []), and values of the graph around it. */
export interface LoopBody {
  readonly index: Value;
  readonly states: readonly Value[];
  readonly nodes: readonly GraphNode[];
  /** The states after the round. */
  readonly next: readonly Value[];
}

/**
 * Builds an ONNX graph, one typed call an operator; shapes and types are checked as it is built, so a mistake is an
 * error at the line that makes it. Nodes are kept in order of making, which is a topological order.
 */
export class Graph {
  readonly inputs: Value[] = [];
  readonly outputs: { readonly name: string; readonly value: Value }[] = [];
  readonly nodes: GraphNode[] = [];
  /** Where nodes go as they are made: the graph, or the body of a loop. */
  #block: GraphNode[] = this.nodes;
  readonly constants = new Map<string, TensorData>();
  /** Values that are fed instead of being computed, and the inputs that stand for them. */
  readonly givens = new Map<Value, Value>();
  readonly #scalars = new Map<string, Value>();
  readonly #halves = new Map<Value, { readonly rows: Value; readonly scale: Value }>();
  readonly #integers = new Map<Value, { readonly rows: Value; readonly scale: Value }>();
  #count = 0;

  constructor(readonly name: string) {}

  input(name: string, dtype: DType, shape: Shape): Value {
    if (this.inputs.some((input) => input.name === name))
      throw new ShapeError(`graph ${this.name} has two inputs "${name}"`);
    const value = { name, dtype, shape };
    this.inputs.push(value);
    return value;
  }

  /** `value` is fed as the input `name` instead of being computed; nodes that only lead to it are not written. */
  given(name: string, value: Value): void {
    this.givens.set(value, this.input(name, value.dtype, value.shape));
  }

  output(name: string, value: Value): void {
    this.outputs.push({ name, value });
  }

  constant(tensor: TensorData): Value {
    const value = this.#value(tensor.dtype, tensor.dims, 'c');
    this.constants.set(value.name, tensor);
    return value;
  }

  scalar(x: number, dtype: 'float32' | 'int64' | 'int32' = 'float32'): Value {
    const key = `${dtype}:${x}`;
    const known = this.#scalars.get(key);
    if (known) return known;
    const data =
      dtype === 'float32' ? Float32Array.of(x) : dtype === 'int32' ? Int32Array.of(x) : BigInt64Array.of(BigInt(x));
    const value = this.constant({ dtype, dims: [], data });
    this.#scalars.set(key, value);
    return value;
  }

  int64s(values: readonly number[]): Value {
    const key = `int64s:${values.join()}`;
    const known = this.#scalars.get(key);
    if (known) return known;
    const value = this.constant({
      dtype: 'int64',
      dims: [values.length],
      data: BigInt64Array.from(values.map(BigInt)),
    });
    this.#scalars.set(key, value);
    return value;
  }

  // -- element by element, with broadcasting ------------------------------------------------------------------------

  add = (a: Value, b: Value): Value => this.#elementwise('Add', a, b);
  sub = (a: Value, b: Value): Value => this.#elementwise('Sub', a, b);
  mul = (a: Value, b: Value): Value => this.#elementwise('Mul', a, b);
  div = (a: Value, b: Value): Value => this.#elementwise('Div', a, b);
  scale = (a: Value, factor: number): Value => this.mul(a, this.scalar(factor));
  neg = (x: Value): Value => this.#unary('Neg', x);
  exp = (x: Value): Value => this.#unary('Exp', x);
  log = (x: Value): Value => this.#unary('Log', x);
  sqrt = (x: Value): Value => this.#unary('Sqrt', x);
  reciprocal = (x: Value): Value => this.#unary('Reciprocal', x);
  sigmoid = (x: Value): Value => this.#unary('Sigmoid', x);
  /** x sigmoid(x) */
  silu = (x: Value): Value => this.#unary('Silu', x);
  tanh = (x: Value): Value => this.#unary('Tanh', x);
  abs = (x: Value): Value => this.#unary('Abs', x);

  // -- comparisons: no gradient flows through them ------------------------------------------------------------------

  equal = (a: Value, b: Value): Value => this.#elementwise('Equal', a, b, 'bool');
  lessOrEqual = (a: Value, b: Value): Value => this.#elementwise('LessOrEqual', a, b, 'bool');
  less = (a: Value, b: Value): Value => this.#elementwise('Less', a, b, 'bool');
  and = (a: Value, b: Value): Value => this.#elementwise('And', a, b, 'bool');
  or = (a: Value, b: Value): Value => this.#elementwise('Or', a, b, 'bool');

  where(condition: Value, a: Value, b: Value): Value {
    const shape = broadcast(condition.shape, broadcast(a.shape, b.shape, 'Where'), 'Where');
    return this.#node('Where', [condition, a, b], {}, [{ dtype: a.dtype, shape }]);
  }

  cast(x: Value, to: DType): Value {
    return x.dtype === to ? x : this.#node('Cast', [x], { to }, [{ dtype: to, shape: x.shape }]);
  }

  // -- products and reductions --------------------------------------------------------------------------------------

  /** `alpha * op(a) op(b)` over the last two axes, leading axes broadcast; `op` transposes where asked. */
  matMul(a: Value, b: Value, { transA = false, transB = false, alpha = 1 } = {}): Value {
    if (a.shape.length < 2 || b.shape.length < 2) throw new ShapeError('MatMul: both tensors need at least two axes');
    const shape = [
      ...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2), 'MatMul'),
      ...productShape(a, b, transA, transB),
    ];
    return this.#node('MatMul', [a, b], { transA, transB, alpha }, [{ dtype: a.dtype, shape }]);
  }

  /** `alpha * op(a) op(b)` of two matrices. */
  gemm(a: Value, b: Value, { transA = false, transB = false, alpha = 1 } = {}): Value {
    if (a.shape.length !== 2 || b.shape.length !== 2) throw new ShapeError('Gemm: both tensors must be matrices');
    const shape = productShape(a, b, transA, transB);
    return this.#node('Gemm', [a, b], { transA, transB, alpha }, [{ dtype: a.dtype, shape }]);
  }

  /**
   * x (W + s B A)' with x [..., in], W [out, in], A [rank, in], B [out, rank]: the low-rank change is added to the weight, which
   * costs rank / rows of the product itself, where x A' B' would write [..., out] once more. Its gradient reaches x, A and B;
   * W is frozen.
   */
  loraMatMul(x: Value, weight: Value, a: Value, b: Value, scale: number): Value {
    const merged = this.add(weight, this.matMul(b, a, { alpha: scale }));
    const shape = [...x.shape.slice(0, -1), lastTwo(weight.shape, false)[0]];
    return this.#node('LoraMatMul', [x, merged, a, b], { scale }, [{ dtype: x.dtype, shape }]);
  }

  /**
   * x W' (or x W) of float32 x [..., in] and float16 W, multiplied as half-precision numbers; float32. Each row of x is divided
   * by its greatest magnitude s before it is rounded, and its products are multiplied by it:
   *
   *     y = s (round16(x / s) W'),   s = max |x|
   *
   * so rows neither overflow nor vanish, gradients no more than activations, and a loss needs no scale. Its gradient reaches
   * x, and is such a product; W is frozen.
   */
  halfMatMul(x: Value, weight: Value, { transB = false } = {}): Value {
    const { rows, scale } = this.#halfRows(x);
    const terms = x.shape.at(-1);
    if (typeof terms !== 'number') throw new ShapeError('HalfMatMul: a product needs a width that is known');
    const pieces = Array.from({ length: Math.ceil(terms / MAX_HALF_TERMS) }, (_, i) => {
      const range = [i * MAX_HALF_TERMS, Math.min(terms, (i + 1) * MAX_HALF_TERMS)] as const;
      const product = this.matMul(this.#terms(rows, -1, range), this.#terms(weight, transB ? 1 : 0, range), { transB });
      return this.cast(product, 'float32');
    });
    const sum = pieces.reduce((a, b) => this.add(a, b));
    const product = this.mul(sum, scale);
    return this.#node('HalfMatMul', [product, x, weight], { transB }, [product]);
  }

  #terms(x: Value, axis: number, [from, to]: readonly [number, number]): Value {
    if (from === 0 && to === x.shape.at(axis)) return x;
    return this.slice(x, axis, this.int64s([from]), this.int64s([to]), to - from);
  }

  /** Rows over their greatest magnitude, rounded, and that magnitude [..., 1]; one for all products of x. */
  #halfRows(x: Value): { readonly rows: Value; readonly scale: Value } {
    const known = this.#halves.get(x);
    if (known) return known;
    const greatest = this.reduceMax(this.mul(x, x), [-1]);
    const scale = this.sqrt(this.add(greatest, this.scalar(1e-30)));
    const halves = { rows: this.cast(this.div(x, scale), 'float16'), scale };
    this.#halves.set(x, halves);
    return halves;
  }

  /** x / sqrt(mean x^2 + epsilon) * w over the last axis, as one operator. No gradient flows through it. */
  rmsNorm(x: Value, w: Value, epsilon: number): Value {
    return this.#node('RmsNorm', [x, w], { epsilon }, [x]);
  }

  /** x + y, and its rmsNorm, as one operator. No gradient flows through it. */
  addedRmsNorm(x: Value, y: Value, w: Value, epsilon: number): { readonly sum: Value; readonly normed: Value } {
    const [normed, sum] = this.nodeOf('AddedRmsNorm', [x, y, w], { epsilon }, [x, x]) as [Value, Value];
    return { normed, sum };
  }

  /**
   * Rotary position embedding as one operator, halves convention: x [B, T, heads K] by rows `order` [B, T] of the tables cos and sin
   * [any, K / 2]. No gradient flows through it.
   */
  rotaryEmbedding(x: Value, { cos, sin, order }: RotaryTables, heads: number): Value {
    return this.#node('RotaryEmbedding', [x, order, cos, sin], { heads }, [x]);
  }

  /**
   * x W' of float32 x [rows, in] and int8 W [out, in] with a scale an output s_W [out, 1], multiplied as whole numbers; float32. Each
   * row of x is rounded to 8 bits by its greatest magnitude:
   *
   *     y = s_x s_W (round(x / s_x) W'),   s_x = max |x| / 127
   *
   * Sums of whole numbers are exact, so a row's numbers do not depend on the rows beside it. No gradient flows through it.
   */
  integerMatMul(x: Value, weight: Value, scale: Value): Value {
    const { rows, scale: ofRows } = this.#integerRows(x);
    const [outputs] = weight.shape as readonly [Dim];
    // The transpose is made once where W is an initialiser.
    const operands = [
      rows,
      this.transpose(weight, [1, 0]),
      this.scalar(1),
      this.reshape(scale, [outputs]),
      this.#middle(),
    ];
    const shape = [x.shape[0] as Dim, outputs];
    return this.mul(this.#node('MatMulIntegerToFloat', operands, {}, [{ dtype: 'float32', shape }]), ofRows);
  }

  /**
   * x W' of float32 x [..., in] and W [out, in] in 4 bits: `packed` uint8 [out, in / block, block / 2], two values a byte, the
   * first in the lower half, each less 8; `scale` [out in / block], of blocks of a row's neighbouring values. Rows of x are rounded
   * to 8 bits by blocks as well. No gradient flows through it.
   */
  blockMatMul(x: Value, packed: Value, scale: Value): Value {
    const [outputs, blocks, bytes] = packed.shape as readonly [number, number, number];
    const [inputs, blockSize] = [2 * blocks * bytes, 2 * bytes];
    if (x.shape.at(-1) !== inputs)
      throw new ShapeError(`MatMulNBits: ${formatShape(x.shape)} and ${inputs} inputs do not fit`);
    return this.#node('MatMulNBits', [x, packed, scale], { inputs, outputs, blockSize }, [
      { dtype: 'float32', shape: [...x.shape.slice(0, -1), outputs] },
    ]);
  }

  /** Rows rounded to 8 bits, with 128 for 0, and their scales [rows, 1]; one for all products of x. */
  #integerRows(x: Value): { readonly rows: Value; readonly scale: Value } {
    const known = this.#integers.get(x);
    if (known) return known;
    const [count] = x.shape as readonly [Dim];
    // A row of zeros has the scale 0, and whatever its values are divided to is multiplied by it again.
    const scale = this.scale(this.reduceMax(this.abs(x), [-1]), 1 / 127);
    const rows = this.#node('QuantizeLinear', [x, this.reshape(scale, [count]), this.#middles(x)], {}, [
      { dtype: 'uint8', shape: x.shape },
    ]);
    const integers = { rows, scale };
    this.#integers.set(x, integers);
    return integers;
  }

  /** 128 for each row of x. */
  #middles(x: Value): Value {
    const [count] = x.shape as readonly [Dim];
    const key = `middles:${count}`;
    const known = this.#scalars.get(key);
    if (known) return known;
    const value = this.expandTo(this.#middle(), [count], this.shapeOf(x, 0, 1));
    this.#scalars.set(key, value);
    return value;
  }

  #middle(): Value {
    const known = this.#scalars.get('middle');
    if (known) return known;
    const value = this.constant({ dtype: 'uint8', dims: [], data: Uint8Array.of(128) });
    this.#scalars.set('middle', value);
    return value;
  }

  softmax(x: Value): Value {
    return this.#node('Softmax', [x], {}, [x]);
  }

  /** Sum over `axes`, which stay as 1. */
  reduceSum = (x: Value, axes: readonly number[]): Value => this.#reduce('ReduceSum', x, axes);
  /** Mean over `axes`, which stay as 1. */
  reduceMean = (x: Value, axes: readonly number[]): Value => this.#reduce('ReduceMean', x, axes);
  /** log sum exp over `axes`, which stay as 1. */
  reduceLogSumExp = (x: Value, axes: readonly number[]): Value => this.#reduce('ReduceLogSumExp', x, axes);
  /** Greatest over `axes`, which stay as 1; no gradient flows through it. */
  reduceMax = (x: Value, axes: readonly number[]): Value => this.#reduce('ReduceMax', x, axes);

  argMax(x: Value, axis: number): Value {
    const positive = axisOf(axis, x.shape.length);
    const shape = x.shape.map((dim, i) => (i === positive ? 1 : dim));
    return this.#node('ArgMax', [x], { axis: positive }, [{ dtype: 'int64', shape }]);
  }

  // -- shape --------------------------------------------------------------------------------------------------------

  /** At most one dimension may be a symbol that does not stand at the same place in `x`. */
  reshape(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x;
    let free = 0;
    const dims = shape.map((dim, axis) => {
      if (typeof dim === 'number') return dim;
      if (dim === x.shape[axis]) return 0;
      free += 1;
      return -1;
    });
    if (free > 1)
      throw new ShapeError(`Reshape: ${formatShape(x.shape)} to ${formatShape(shape)} leaves ${free} dimensions open`);
    return this.#node('Reshape', [x, this.int64s(dims)], { shape }, [{ dtype: x.dtype, shape }]);
  }

  /** `x` in a shape whose sizes at run time are the int64 tensor `sizes`; `shape` says it statically. */
  reshapeTo(x: Value, shape: Shape, sizes: Value): Value {
    return this.#node('Reshape', [x, sizes], { shape }, [{ dtype: x.dtype, shape }]);
  }

  /** `x` in the shape of `like` at run time; `shape` says it statically. */
  reshapeLike(x: Value, like: Value): Value {
    if (sameShape(x.shape, like.shape)) return x;
    return this.reshapeTo(x, like.shape, this.shapeOf(like));
  }

  /** Leaves out an axis of size 1. */
  squeeze(x: Value, axis: number): Value {
    const at = axisOf(axis, x.shape.length);
    if (x.shape[at] !== 1) throw new ShapeError(`Squeeze: axis ${at} of ${formatShape(x.shape)} is not 1`);
    const sizes = [this.shapeOf(x, 0, at), this.shapeOf(x, at + 1)];
    return this.reshapeTo(
      x,
      x.shape.filter((_, i) => i !== at),
      this.concat(sizes, 0),
    );
  }

  transpose(x: Value, perm: readonly number[]): Value {
    const shape = perm.map((axis) => x.shape[axisOf(axis, x.shape.length)] as Dim);
    return this.#node('Transpose', [x], { perm }, [{ dtype: x.dtype, shape }]);
  }

  concat(parts: readonly Value[], axis: number, dim?: Dim): Value {
    const [first] = parts;
    if (!first) throw new ShapeError('Concat: nothing to join');
    if (parts.length === 1) return first;
    const at = axisOf(axis, first.shape.length);
    const total = dim ?? addDims(parts.map((part) => part.shape[at] as Dim));
    const shape = first.shape.map((d, i) => (i === at ? total : d));
    return this.#node('Concat', parts, { axis: at }, [{ dtype: first.dtype, shape }]);
  }

  /** Splits `axis` into parts of the given dimensions; symbols take their sizes from `sizes`, an int64 tensor. */
  split(x: Value, axis: number, dims: readonly Dim[], sizes?: Value): Value[] {
    const at = axisOf(axis, x.shape.length);
    if (dims.length === 1) return [x];
    const amounts =
      sizes ??
      this.int64s(
        dims.map((dim) => {
          if (typeof dim !== 'number') throw new ShapeError(`Split: the size of "${dim}" must be given as a tensor`);
          return dim;
        }),
      );
    const outputs = dims.map((dim) => ({ dtype: x.dtype, shape: x.shape.map((d, i) => (i === at ? dim : d)) }));
    return this.nodeOf('Split', [x, amounts], { axis: at }, outputs);
  }

  /** int64 tensor of `x`'s dimensions, or of those from `start` up to `end`. */
  shapeOf(x: Value, start = 0, end = x.shape.length): Value {
    return this.#node('Shape', [x], { start, end }, [{ dtype: 'int64', shape: [end - start] }]);
  }

  /** `x` broadcast to the shape of `like`. */
  expandLike(x: Value, like: Value): Value {
    if (sameShape(x.shape, like.shape)) return x;
    return this.expandTo(x, like.shape, this.shapeOf(like));
  }

  /** `x` broadcast to a shape whose sizes at run time are the int64 tensor `sizes`; `shape` says it statically. */
  expandTo(x: Value, shape: Shape, sizes: Value): Value {
    return this.#node('Expand', [x, sizes], {}, [{ dtype: x.dtype, shape }]);
  }

  /** `x[from:to]` along `axis`, which becomes `dim`; `from` and `to` are int64 [1]. */
  slice(x: Value, axis: number, from: Value, to: Value, dim: Dim): Value {
    const at = axisOf(axis, x.shape.length);
    const shape = x.shape.map((d, i) => (i === at ? dim : d));
    return this.#node('Slice', [x, from, to, this.int64s([at])], { axis: at }, [{ dtype: x.dtype, shape }]);
  }

  /** `x` between `before` and `behind` zeros along `axis`, which becomes `dim`; both are int64 [1]. */
  pad(x: Value, axis: number, before: Value, behind: Value, dim: Dim): Value {
    const at = axisOf(axis, x.shape.length);
    const zeros = (count: number): Value[] => (count === 0 ? [] : [this.int64s(new Array<number>(count).fill(0))]);
    const others = x.shape.length - at - 1;
    const amounts = this.concat([...zeros(at), before, ...zeros(others + at), behind, ...zeros(others)], 0);
    const shape = x.shape.map((d, i) => (i === at ? dim : d));
    return this.#node('Pad', [x, amounts], { axis: at }, [{ dtype: x.dtype, shape }]);
  }

  zerosLike(like: Value): Value {
    return this.expandLike(this.scalar(0), like);
  }

  // -- gathering ----------------------------------------------------------------------------------------------------

  /** Rows of `x` along its first axis: y[j] = x[rows[j]] for every place j of the int64 tensor `rows`. */
  gatherRows(x: Value, rows: Value): Value {
    const shape = [...rows.shape, ...x.shape.slice(1)];
    return this.#node('Gather', [x, rows], {}, [{ dtype: x.dtype, shape }]);
  }

  /** A copy of `x` with `updates[j]` added to its row `rows[j]`; rows may repeat. */
  scatterRows(x: Value, rows: Value, updates: Value): Value {
    const places = this.reshape(rows, [...rows.shape, 1]);
    return this.#node('ScatterND', [x, places, updates], {}, [{ dtype: x.dtype, shape: x.shape }]);
  }

  /** Along the last axis: y[..., j] = x[..., indices[..., j]]. */
  gatherElements(x: Value, indices: Value): Value {
    return this.#node('GatherElements', [x, indices], {}, [{ dtype: x.dtype, shape: indices.shape }]);
  }

  /** Along the last axis: a copy of `x` with `updates` added at `indices`. */
  scatterAdd(x: Value, indices: Value, updates: Value): Value {
    return this.#node('ScatterElements', [x, indices, updates], {}, [{ dtype: x.dtype, shape: x.shape }]);
  }

  // -- repeating ----------------------------------------------------------------------------------------------------

  /**
   * The states after `count` (int64 []) rounds, each of which `body` makes of the states before it and its own number. An axis of a
   * state may grow: `initial` says where it begins, `shapes` what it is in the end. No gradient flows through it.
   */
  loop(
    count: Value,
    initial: readonly Value[],
    shapes: readonly Shape[],
    body: (states: readonly Value[], index: Value) => readonly Value[],
  ): Value[] {
    const outer = this.#block;
    const nodes: GraphNode[] = [];
    const index = this.#value('int64', [], 'round');
    const states = initial.map(({ dtype, shape }) => this.#value(dtype, shape, 'state'));
    this.#block = nodes;
    const next = body(states, index);
    this.#block = outer;
    const own = new Set([index, ...states, ...nodes.flatMap(({ outputs }) => outputs)]);
    const read = new Set(nodes.flatMap(({ inputs }) => inputs).filter((input) => !own.has(input)));
    return this.nodeOf(
      'Loop',
      [count, ...initial, ...read],
      { body: { index, states, nodes, next } },
      next.map(({ dtype }, i) => ({ dtype, shape: shapes[i] as Shape })),
    );
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  /** Adds a node whose outputs are described; the typed calls above are the usual way. */
  nodeOf<K extends OpName>(
    op: K,
    inputs: readonly Value[],
    attributes: OpAttributes[K],
    outputs: readonly { readonly dtype: DType; readonly shape: Shape }[],
  ): Value[] {
    const values = outputs.map(({ dtype, shape }) => this.#value(dtype, shape, op.toLowerCase()));
    this.#block.push({ op, inputs, outputs: values, attributes });
    return values;
  }

  #node<K extends OpName>(
    op: K,
    inputs: readonly Value[],
    attributes: OpAttributes[K],
    outputs: readonly [{ readonly dtype: DType; readonly shape: Shape }],
  ): Value {
    return this.nodeOf(op, inputs, attributes, outputs)[0] as Value;
  }

  #value(dtype: DType, shape: Shape, hint: string): Value {
    this.#count += 1;
    return { name: `${hint}_${this.#count}`, dtype, shape };
  }

  #elementwise(op: BinaryOp, a: Value, b: Value, dtype: DType = a.dtype): Value {
    if (a.dtype !== b.dtype) throw new ShapeError(`${op}: ${a.dtype} and ${b.dtype} do not mix`);
    return this.#node(op, [a, b], {}, [{ dtype, shape: broadcast(a.shape, b.shape, op) }]);
  }

  #unary(op: UnaryOp, x: Value): Value {
    return this.#node(op, [x], {}, [x]);
  }

  #reduce(op: ReduceOp, x: Value, axes: readonly number[]): Value {
    const positive = axes.map((axis) => axisOf(axis, x.shape.length));
    const shape = x.shape.map((dim, axis) => (positive.includes(axis) ? 1 : dim));
    return this.#node(op, [x, this.int64s(positive)], { axes: positive }, [{ dtype: x.dtype, shape }]);
  }
}

type BinaryOp = 'Add' | 'Sub' | 'Mul' | 'Div' | 'Equal' | 'LessOrEqual' | 'Less' | 'And' | 'Or';
type ReduceOp = 'ReduceSum' | 'ReduceMean' | 'ReduceLogSumExp' | 'ReduceMax';
type UnaryOp = 'Neg' | 'Exp' | 'Log' | 'Sqrt' | 'Reciprocal' | 'Sigmoid' | 'Silu' | 'Tanh' | 'Abs';

function productShape(a: Value, b: Value, transA: boolean, transB: boolean): readonly [Dim, Dim] {
  const [m, k] = lastTwo(a.shape, transA);
  const [k2, n] = lastTwo(b.shape, transB);
  if (k !== k2)
    throw new ShapeError(
      `MatMul: inner dimensions ${k} and ${k2} of ${formatShape(a.shape)} and ${formatShape(b.shape)} differ`,
    );
  return [m, n];
}

function lastTwo(shape: Shape, transposed: boolean): readonly [Dim, Dim] {
  const rows = shape[shape.length - 2] as Dim;
  const columns = shape[shape.length - 1] as Dim;
  return transposed ? [columns, rows] : [rows, columns];
}
