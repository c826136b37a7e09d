import type { GraphNode, TensorData, Value } from './graph.ts';
import type { WrittenNode, WrittenOpAttributes, WrittenOpName } from './ops.ts';
import { axisOf, type Shape } from './shape.ts';

/**
 * The nodes with every product and reduction in operators whose WebGPU kernels are one loop a number. A GPU is faster with
 * tiles that its threads load together; a driver in software waits at every barrier of such a kernel, and compiles it for a
 * second (docs/log.md).
 *
 *     op(a) op(b), sum x, mean x    Einsum
 *     max x                         x at ArgMax x
 *     softmax x                     e / sum e with e = exp(x - max x)
 *     log sum exp x                 log sum e + max x
 */
export function loopKernels(nodes: readonly GraphNode[]): {
  readonly nodes: readonly WrittenNode[];
  readonly constants: ReadonlyMap<string, TensorData>;
} {
  const writer = new Writer();
  for (const node of nodes) writer.write(node);
  return writer;
}

class Writer {
  readonly nodes: WrittenNode[] = [];
  readonly constants = new Map<string, TensorData>();

  write(node: GraphNode): void {
    const [x, other] = node.inputs as [Value, Value];
    const y = node.outputs[0] as Value;
    if (isA(node, 'MatMul') || isA(node, 'Gemm')) this.#product(node.attributes, x, other, y);
    else if (isA(node, 'LoraMatMul')) this.#product({ transA: false, transB: true, alpha: 1 }, x, other, y);
    else if (isA(node, 'ReduceSum')) this.#sum(x, node.attributes.axes, 1, y);
    else if (isA(node, 'ReduceMean')) {
      const count = sizeOf(x.shape, node.attributes.axes);
      if (count === null) this.nodes.push(node);
      else this.#sum(x, node.attributes.axes, 1 / count, y);
    } else if (isA(node, 'ReduceMax') && isLast(x.shape, node.attributes.axes)) this.#greatest(x, y);
    else if (isA(node, 'Softmax')) {
      const { exponentials, sum } = this.#exponentials(x, y);
      this.#add('Div', [exponentials, sum], {}, y);
    } else if (isA(node, 'ReduceLogSumExp') && isLast(x.shape, node.attributes.axes)) {
      const { greatest, sum } = this.#exponentials(x, y);
      const log = this.#add('Log', [sum], {}, { ...y, name: `${y.name}_log` });
      this.#add('Add', [log, greatest], {}, y);
    } else this.nodes.push(node);
  }

  #product(
    { transA, transB, alpha }: { readonly transA: boolean; readonly transB: boolean; readonly alpha: number },
    a: Value,
    b: Value,
    y: Value,
  ): void {
    const batch = y.shape.slice(0, -2);
    const ofBatch = ({ shape }: Value, own: string): string =>
      shape
        .slice(0, -2)
        .map((dim, i) => {
          const axis = batch.length - (shape.length - 2) + i;
          // Broadcast: an axis of one, which is summed over.
          return dim === 1 && batch[axis] !== 1 ? own.charAt(axis) : BATCH.charAt(axis);
        })
        .join('');
    const left = `${ofBatch(a, 'pqrs')}${transA ? 'km' : 'mk'}`;
    const right = `${ofBatch(b, 'tuvw')}${transB ? 'nk' : 'kn'}`;
    const equation = `${left},${right}->${BATCH.slice(0, batch.length)}mn`;
    if (alpha === 1) this.#add('Einsum', [a, b], { equation }, y);
    else {
      const unscaled = this.#add('Einsum', [a, b], { equation }, { ...y, name: `${y.name}_unscaled` });
      this.#add('Mul', [unscaled, this.#constant(alpha, [])], {}, y);
    }
  }

  /** Times a factor, whose one axis the reduced ones become; further reduced axes are of one in the factor too. */
  #sum(x: Value, axes: readonly number[], factor: number, y: Value): void {
    const reduced = new Set(axes.map((axis) => axisOf(axis, x.shape.length)));
    const letters = x.shape.map((_, axis) => BATCH.charAt(axis));
    const kept = letters.map((letter, axis) => (reduced.has(axis) ? 'stuvwxyz'.charAt(axis) : letter));
    const ones = kept.filter((_, axis) => reduced.has(axis)).join('');
    const equation = `${letters.join('')},${ones}->${kept.join('')}`;
    this.#add('Einsum', [x, this.#constant(factor, new Array<number>(reduced.size).fill(1))], { equation }, y);
  }

  /** exp(x - max x) along the last axis, their sum, and max x. */
  #exponentials(x: Value, y: Value): { exponentials: Value; sum: Value; greatest: Value } {
    const axis = x.shape.length - 1;
    const column: Shape = [...x.shape.slice(0, -1), 1];
    const named = (name: string, shape: Shape): Value => ({ ...x, name: `${y.name}_${name}`, shape });
    const greatest = this.#greatest(x, named('max', column));
    const less = this.#add('Sub', [x, greatest], {}, named('less', x.shape));
    const exponentials = this.#add('Exp', [less], {}, named('exp', x.shape));
    const sum = named('sum', column);
    this.#sum(exponentials, [axis], 1, sum);
    return { exponentials, sum, greatest };
  }

  /** Along the last axis. */
  #greatest(x: Value, y: Value): Value {
    const place = { ...y, name: `${y.name}_place`, dtype: 'int64' as const };
    return this.#add('GatherElements', [x, this.#add('ArgMax', [x], { axis: x.shape.length - 1 }, place)], {}, y);
  }

  #constant(factor: number, dims: readonly number[]): Value {
    const name = `loop_factor_${dims.length}_${factor}`;
    this.constants.set(name, { dtype: 'float32', dims, data: Float32Array.of(factor) });
    return { name, dtype: 'float32', shape: dims };
  }

  #add<K extends WrittenOpName>(
    op: K,
    inputs: readonly Value[],
    attributes: WrittenOpAttributes[K],
    output: Value,
  ): Value {
    this.nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }
}

const BATCH = 'abcdefgh';

function isA<K extends GraphNode['op']>(node: GraphNode, op: K): node is GraphNode<K> {
  return node.op === op;
}

function isLast(shape: Shape, axes: readonly number[]): boolean {
  return axes.length === 1 && axisOf(axes[0] as number, shape.length) === shape.length - 1;
}

/** Numbers along the axes; null where a size is not known before the run. */
function sizeOf(shape: Shape, axes: readonly number[]): number | null {
  return axes.reduce<number | null>((product, axis) => {
    const dim = shape[axisOf(axis, shape.length)];
    return product === null || typeof dim !== 'number' ? null : product * dim;
  }, 1);
}
