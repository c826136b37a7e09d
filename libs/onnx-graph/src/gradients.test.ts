import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import {
  differentiate,
  encodeModel,
  Graph,
  GRADIENTS,
  NOT_DIFFERENTIABLE,
  type OpName,
  type TensorData,
  type Value,
} from './index.ts';

/** Warnings say that products of half-precision constants are not folded. */
const QUIET = { logSeverityLevel: 3 } as const;

/** Inputs of a case: name to dimensions; values are drawn from a fixed sequence in [low, high]. */
interface Case {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly low?: number;
  readonly high?: number;
  /** Of the central differences. Default 0.01. */
  readonly step?: number;
  /** To which another form agrees. Default 4. */
  readonly decimals?: number;
  readonly build: (g: Graph, x: Readonly<Record<string, Value>>) => Value[];
}

const x23 = { x: [2, 3] };
const one = (build: (g: Graph, x: Value) => Value, low = -1.5, high = 1.5): Case => ({
  inputs: x23,
  low,
  high,
  build: (g, { x }) => [build(g, x as Value)],
});
const two = (
  a: readonly number[],
  b: readonly number[],
  build: (g: Graph, a: Value, b: Value) => Value,
  low = -1.5,
  high = 1.5,
): Case => ({
  inputs: { a, b },
  low,
  high,
  build: (g, { a, b }) => [build(g, a as Value, b as Value)],
});
const indices = (g: Graph): Value =>
  g.constant({ dtype: 'int64', dims: [2, 2], data: BigInt64Array.of(2n, 0n, 1n, 1n) });
const rows = (g: Graph): Value => g.constant({ dtype: 'int64', dims: [3], data: BigInt64Array.of(1n, 0n, 1n) });
const condition = (g: Graph): Value =>
  g.constant({ dtype: 'bool', dims: [2, 3], data: Uint8Array.of(1, 0, 1, 0, 0, 1) });

const CASES: Partial<Record<OpName, readonly Case[]>> = {
  Add: [two([2, 3], [2, 3], (g, a, b) => g.add(a, b)), two([4, 2, 3], [3], (g, a, b) => g.add(a, b))],
  Sub: [two([2, 3], [2, 1], (g, a, b) => g.sub(a, b)), two([3], [2, 3], (g, a, b) => g.sub(a, b))],
  Mul: [two([2, 3], [2, 3], (g, a, b) => g.mul(a, b)), two([2, 1, 3], [4, 1], (g, a, b) => g.mul(a, b))],
  Div: [two([2, 3], [3], (g, a, b) => g.div(a, b), 0.5, 2)],
  Neg: [one((g, x) => g.neg(x))],
  Exp: [one((g, x) => g.exp(x))],
  Log: [one((g, x) => g.log(x), 0.5, 2)],
  Sqrt: [one((g, x) => g.sqrt(x), 0.5, 2)],
  Reciprocal: [one((g, x) => g.reciprocal(x), 0.5, 2)],
  Sigmoid: [one((g, x) => g.sigmoid(x))],
  Silu: [one((g, x) => g.silu(x))],
  Tanh: [one((g, x) => g.tanh(x))],
  Abs: [one((g, x) => g.abs(x), 0.5, 2), one((g, x) => g.abs(x), -2, -0.5)],
  Softmax: [one((g, x) => g.softmax(x), -3, 2)],
  MatMul: [
    ...[false, true].flatMap((transA) =>
      [false, true].map((transB) =>
        two(transA ? [2, 4, 3] : [2, 3, 4], transB ? [2, 5, 4] : [2, 4, 5], (g, a, b) =>
          g.matMul(a, b, { transA, transB, alpha: 0.7 }),
        ),
      ),
    ),
    two([2, 3, 4], [4, 5], (g, a, b) => g.matMul(a, b)),
    two([2, 3, 4], [5, 4], (g, a, b) => g.matMul(a, b, { transB: true, alpha: 1.3 })),
    two([2, 3, 2, 4], [2, 1, 5, 4], (g, a, b) => g.matMul(a, b, { transB: true })),
  ],
  Gemm: [false, true].flatMap((transA) =>
    [false, true].map((transB) =>
      two(transA ? [4, 3] : [3, 4], transB ? [5, 4] : [4, 5], (g, a, b) =>
        g.gemm(a, b, { transA, transB, alpha: 0.7 }),
      ),
    ),
  ),
  LoraMatMul: [
    {
      inputs: { x: [2, 3, 4], a: [2, 4], b: [5, 2] },
      build: (g, { x, a, b }) => [g.loraMatMul(x as Value, g.constant(noise([5, 4], 7)), a as Value, b as Value, 0.7)],
    },
  ],
  // Linear, so a long step is exact, and hides the rounding.
  HalfMatMul: [false, true].map((transB) => ({
    inputs: { x: [2, 3, 4] },
    step: 0.5,
    decimals: 2,
    build: (g, { x }) => [
      g.halfMatMul(x as Value, g.cast(g.constant(noise(transB ? [5, 4] : [4, 5], 7)), 'float16'), { transB }),
    ],
  })),
  ReduceSum: [one((g, x) => g.reduceSum(x, [-1])), one((g, x) => g.reduceSum(x, [0, 1]))],
  ReduceMean: [one((g, x) => g.reduceMean(x, [-1])), one((g, x) => g.reduceMean(x, [0]))],
  ReduceLogSumExp: [one((g, x) => g.reduceLogSumExp(x, [-1]))],
  Reshape: [one((g, x) => g.reshape(x, [3, 2])), one((g, x) => g.reshape(x, [1, 6]))],
  Transpose: [{ inputs: { x: [2, 3, 4] }, build: (g, { x }) => [g.transpose(x as Value, [2, 0, 1])] }],
  Concat: [two([2, 3], [2, 2], (g, a, b) => g.concat([a, b, a], 1))],
  Split: [
    { inputs: x23, build: (g, { x }) => g.split(x as Value, 1, [1, 2]) },
    { inputs: x23, build: (g, { x }) => g.split(x as Value, 1, [1, 2]).slice(1) },
    {
      inputs: x23,
      build: (g, { x }) =>
        g.split(x as Value, 1, ['left', 'right'], g.int64s([2, 1])).map((piece, i) => g.reshape(piece, [2, 2 - i])),
    },
  ],
  Expand: [
    {
      inputs: { x: [1, 3] },
      build: (g, { x }) => [
        g.expandLike(x as Value, g.constant({ dtype: 'float32', dims: [4, 2, 3], data: new Float32Array(24) })),
      ],
    },
  ],
  Slice: [
    { inputs: { x: [2, 4, 3] }, build: (g, { x }) => [g.slice(x as Value, 1, g.int64s([1]), g.int64s([3]), 2)] },
    { inputs: x23, build: (g, { x }) => [g.slice(x as Value, -1, g.int64s([0]), g.int64s([2]), 2)] },
  ],
  Pad: [{ inputs: { x: [2, 2, 3] }, build: (g, { x }) => [g.pad(x as Value, 1, g.int64s([1]), g.int64s([2]), 5)] }],
  Gather: [one((g, x) => g.gatherRows(x, rows(g)))],
  ScatterND: [two([2, 3], [3, 3], (g, a, b) => g.scatterRows(a, rows(g), b))],
  GatherElements: [one((g, x) => g.gatherElements(x, indices(g)))],
  ScatterElements: [two([2, 3], [2, 2], (g, a, b) => g.scatterAdd(a, indices(g), b))],
  Where: [two([2, 3], [3], (g, a, b) => g.where(condition(g), a, b))],
};

const differentiable = (Object.keys(GRADIENTS) as OpName[]).filter((op) => GRADIENTS[op] !== NOT_DIFFERENTIABLE);

test('every operator with a gradient rule has a finite-difference case', () => {
  expect(differentiable.filter((op) => !CASES[op])).toEqual([]);
});

describe.each(['plain', 'loops'] as const)('written as %s', (form) => {
  test.each(differentiable)('%s and its gradient are what they are as fused products', async (op) => {
    for (const item of CASES[op] ?? []) {
      const { g, point } = withGradients(op, item);
      const [expected, actual] = await Promise.all(
        (['fused', form] as const).map(async (written) =>
          (await ort.InferenceSession.create(encodeModel(g, { form: written }), QUIET)).run(feedsOf(point)),
        ),
      );
      for (const [name, { dims, data }] of Object.entries(expected ?? {})) {
        expect(actual?.[name]?.dims, name).toEqual(dims);
        const values = actual?.[name]?.data as Float32Array;
        (data as Float32Array).forEach((value, i) => expect(values[i], name).toBeCloseTo(value, item.decimals ?? 4));
      }
    }
  });
});

describe.each(differentiable)('gradient of %s', (op) => {
  test.each((CASES[op] ?? []).map((item, index) => [index, item] as const))(
    'case %i agrees with central differences',
    async (_, item) => {
      const { analytic, numeric, touched } = await directionalDerivatives(op, item);
      expect(touched).toBe(true);
      for (const [name, value] of Object.entries(analytic)) expect(value, name).toBeCloseTo(numeric[name] as number, 2);
      expect(Math.max(...Object.values(numeric).map(Math.abs))).toBeGreaterThan(0.02);
    },
  );
});

test('a value that does not influence the output is named', () => {
  const g = new Graph('unrelated');
  const a = g.input('a', 'float32', [2]);
  const b = g.input('b', 'float32', [2]);
  const y = g.exp(a);
  expect(() => differentiate(g, [{ y, dy: y }], [b])).toThrow(/"b" does not influence/);
});

test('a wrong shape is refused where it is made', () => {
  const g = new Graph('wrong');
  expect(() => g.matMul(g.input('a', 'float32', ['T', 4]), g.input('b', 'float32', [5, 4]))).toThrow(
    /inner dimensions 4 and 5/,
  );
  expect(() => g.add(g.input('c', 'float32', ['T', 4]), g.input('d', 'float32', [3, 4]))).toThrow(/do not broadcast/);
});

/** A weighted sum of what the case builds, as `loss`, its gradients, and where to take them. */
function withGradients(op: OpName, item: Case) {
  const names = Object.keys(item.inputs);
  const g = new Graph(`gradient-of-${op}`);
  const x = Object.fromEntries(names.map((name) => [name, g.input(name, 'float32', item.inputs[name] as number[])]));
  const ys = item.build(g, x);
  const touched = g.nodes.some((node) => node.op === op);
  const weights = ys.map((y, index) => g.constant(noise(y.shape.map(Number), 100 + index)));
  const loss = ys
    .map((y, index) =>
      g.reshape(
        g.reduceSum(
          g.mul(y, weights[index] as Value),
          y.shape.map((_, axis) => axis),
        ),
        [1],
      ),
    )
    .reduce((a, b) => g.add(a, b));
  g.output('loss', loss);
  const dxs = differentiate(
    g,
    ys.map((y, index) => ({ y, dy: weights[index] as Value })),
    names.map((name) => x[name] as Value),
  );
  names.forEach((name, index) => g.output(`d_${name}`, dxs[index] as Value));

  const { low = -1.5, high = 1.5 } = item;
  const point = Object.fromEntries(
    names.map((name, index) => [name, noise(item.inputs[name] as number[], index, low, high)]),
  );
  return { g, names, point, touched };
}

/** The point, moved along one input's direction. */
function feedsOf(point: Readonly<Record<string, TensorData>>, moved?: string, by = 0): Record<string, ort.Tensor> {
  return Object.fromEntries(
    Object.entries(point).map(([name, { dims, data }]) => {
      const direction = noise(dims, 50).data as Float32Array;
      const values = Float32Array.from(
        data as Float32Array,
        (v, i) => v + (name === moved ? by * (direction[i] as number) : 0),
      );
      return [name, new ort.Tensor('float32', values, [...dims])];
    }),
  );
}

async function directionalDerivatives(op: OpName, item: Case) {
  const { g, names, point, touched } = withGradients(op, item);
  const session = await ort.InferenceSession.create(encodeModel(g), QUIET);
  const run = async (moved?: string, by = 0) => session.run(feedsOf(point, moved, by));

  const base = await run();
  const analytic: Record<string, number> = {};
  const numeric: Record<string, number> = {};
  const { step = 1e-2 } = item;
  for (const name of names) {
    const direction = noise(item.inputs[name] as number[], 50).data as Float32Array;
    const gradient = base[`d_${name}`]?.data as Float32Array;
    analytic[name] = gradient.reduce((sum, value, i) => sum + value * (direction[i] as number), 0);
    const [up, down] = [await run(name, step), await run(name, -step)];
    numeric[name] = ((up.loss?.data as Float32Array)[0]! - (down.loss?.data as Float32Array)[0]!) / (2 * step);
  }
  return { analytic, numeric, touched };
}

/** A fixed pseudo-random tensor. */
function noise(dims: readonly number[], seed: number, low = -1, high = 1): TensorData {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const data = Float32Array.from({ length: size }, (_, i) => {
    const unit = Math.abs(Math.sin((i + 1) * 12.9898 + (seed + 1) * 78.233) * 43758.5453) % 1;
    return low + unit * (high - low);
  });
  return { dtype: 'float32', dims, data };
}
