import type { GraphNode, TensorData, Value } from './graph.ts';
import { formatShape, type Dim, type Shape } from './shape.ts';
import type { OpAttributes, OpName } from './ops.ts';

/**
 * The nodes with every product that transposes or scales written as Gemm, or as Transpose and MatMul: for execution
 * providers that have no fused product (WebGPU would send it to the CPU, its operands with it).
 *
 *     x [.., k] W' [n, k], a weight for all rows:  Gemm over the flattened rows, nothing is moved
 *     a b' of batches:                             b transposed
 *     a' b of batches:                             a transposed or, where a is the longer one, (b' a)'
 *     log sum exp x:                               log sum exp (x - max x) + max x
 *
 * (WebGPU's own kernel of the last sums exp x, which is infinite from x = 88.7 on.)
 */
export function plainProducts(nodes: readonly GraphNode[]): {
  readonly nodes: readonly GraphNode[];
  readonly constants: ReadonlyMap<string, TensorData>;
} {
  const writer = new Writer();
  for (const node of nodes) {
    if (node.op === 'MatMul') writer.product(node as GraphNode<'MatMul'>);
    else if (node.op === 'LoraMatMul') writer.product(withMergedWeight(node as GraphNode<'LoraMatMul'>));
    else if (node.op === 'ReduceLogSumExp') writer.logSumExp(node as GraphNode<'ReduceLogSumExp'>);
    else writer.nodes.push(node);
  }
  return writer;
}

/** x M' is what is computed; the adapter's matrices beside M are there for the gradient. */
function withMergedWeight({ inputs, outputs }: GraphNode<'LoraMatMul'>): GraphNode<'MatMul'> {
  const attributes = { transA: false, transB: true, alpha: 1 };
  return { op: 'MatMul', inputs: inputs.slice(0, 2), outputs, attributes };
}

class Writer {
  readonly nodes: GraphNode[] = [];
  readonly constants = new Map<string, TensorData>();
  /** By value and order of axes: one transpose serves every product that wants it. */
  readonly #transposed = new Map<string, Value>();

  product(node: GraphNode<'MatMul'>): void {
    const { transA, transB, alpha } = node.attributes;
    const [a, b] = node.inputs as [Value, Value];
    const y = node.outputs[0] as Value;
    if (!transA && !transB && alpha === 1) this.nodes.push(node);
    else if (a.shape.length === 2 && b.shape.length === 2) this.#add('Gemm', [a, b], node.attributes, y);
    else if (b.shape.length === 2 && !transA) this.#rowsTimesWeight(node, a, b, y);
    else this.#batches(node, a, b, y);
  }

  logSumExp({ inputs: [x, axes], outputs: [y], attributes }: GraphNode<'ReduceLogSumExp'>): void {
    if (!x || !axes || !y) return;
    const named = (name: string, { shape }: Value): Value => ({ ...y, name: `${y.name}_${name}`, shape });
    const greatest = this.#add('ReduceMax', [x, axes], attributes, named('max', y));
    const less = this.#add('Sub', [x, greatest], {}, named('less', x));
    const exponentials = this.#add('Exp', [less], {}, named('exp', x));
    const sum = this.#add('ReduceSum', [exponentials, axes], attributes, named('sum', y));
    const log = this.#add('Log', [sum], {}, named('log', y));
    this.#add('Add', [log, greatest], {}, y);
  }

  #rowsTimesWeight({ attributes }: GraphNode<'MatMul'>, a: Value, b: Value, y: Value): void {
    const [k, n] = [last(a.shape), last(y.shape)];
    const rows = this.#reshape(a, this.#int64s([-1, k]), ['rows', k], `${y.name}_rows`);
    const flat = this.#add('Gemm', [rows, b], attributes, {
      ...y,
      name: `${y.name}_flat`,
      shape: ['rows', n],
    });
    const leading = a.shape.length - 1;
    const sizes = this.#add('Shape', [a], { start: 0, end: leading }, int64(`${y.name}_leading`, leading));
    const all = this.#add('Concat', [sizes, this.#int64s([n])], { axis: 0 }, int64(`${y.name}_sizes`, leading + 1));
    this.#add('Reshape', [flat, all], { shape: y.shape }, y);
  }

  #batches({ attributes: { transA, transB, alpha } }: GraphNode<'MatMul'>, a: Value, b: Value, y: Value): void {
    const product = alpha === 1 ? y : { ...y, name: `${y.name}_unscaled` };
    const plain = { transA: false, transB: false, alpha: 1 };
    // A symbol stands for tokens, a number for a size of the model, which is the smaller one.
    const turned = transA && !transB && typeof last(a.shape) === 'string' && typeof last(b.shape) === 'number';
    if (turned) {
      const shape = swapped(y.shape);
      const back = this.#add('MatMul', [this.#transpose(b), a], plain, { ...y, name: `${y.name}_turned`, shape });
      this.#add('Transpose', [back], { perm: lastSwapped(shape.length) }, product);
    } else {
      const operands = [transA ? this.#transpose(a) : a, transB ? this.#transpose(b) : b];
      this.#add('MatMul', operands, plain, product);
    }
    if (alpha !== 1) this.#add('Mul', [product, this.#scalar(alpha)], {}, y);
  }

  #transpose(x: Value): Value {
    const known = this.#transposed.get(x.name);
    if (known) return known;
    const y = this.#add(
      'Transpose',
      [x],
      { perm: lastSwapped(x.shape.length) },
      { ...x, name: `${x.name}_t`, shape: swapped(x.shape) },
    );
    this.#transposed.set(x.name, y);
    return y;
  }

  #reshape(x: Value, sizes: Value, shape: Shape, name: string): Value {
    return this.#add('Reshape', [x, sizes], { shape }, { ...x, name, shape });
  }

  #int64s(values: readonly Dim[]): Value {
    const name = `int64s_${values.join('_')}`;
    this.constants.set(name, {
      dtype: 'int64',
      dims: [values.length],
      data: BigInt64Array.from(values, (value) => {
        if (typeof value === 'string') throw new TypeError(`a product needs a width that is known, not "${value}"`);
        return BigInt(value);
      }),
    });
    return int64(name, values.length);
  }

  #scalar(x: number): Value {
    const name = `factor_${x}`;
    this.constants.set(name, { dtype: 'float32', dims: [], data: Float32Array.of(x) });
    return { name, dtype: 'float32', shape: [] };
  }

  #add<K extends OpName>(op: K, inputs: readonly Value[], attributes: OpAttributes[K], output: Value): Value {
    this.nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }
}

const int64 = (name: string, length: number): Value => ({ name, dtype: 'int64', shape: [length] });

function last(shape: Shape): Dim {
  const dim = shape.at(-1);
  if (dim === undefined) throw new RangeError(`${formatShape(shape)} has no axes`);
  return dim;
}

const lastSwapped = (rank: number): number[] => swapped(Array.from({ length: rank }, (_, axis) => axis));

function swapped<T>(items: readonly T[]): T[] {
  const [y, x] = items.slice(-2) as [T, T];
  return [...items.slice(0, -2), x, y];
}
