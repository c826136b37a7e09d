import type { Graph, GraphNode, Value } from './graph.ts';
import type { OpName } from './ops.ts';
import { ShapeError, type Dim } from './shape.ts';

/**
 * A rule adds to the graph the gradient with respect to each input, given the gradient `dy` with respect to each output
 * (`undefined` where an output does not matter). `undefined` in the answer: nothing flows to that input.
 */
export type GradientRule<K extends OpName> = (
  graph: Graph,
  node: GraphNode<K>,
  dys: readonly (Value | undefined)[],
) => readonly (Value | undefined)[];

/** For operators whose outputs are whole numbers, truths or shapes: there is nothing to differentiate. */
export const NOT_DIFFERENTIABLE = 'not differentiable';

type Rules = { readonly [K in OpName]: GradientRule<K> | typeof NOT_DIFFERENTIABLE };

/** One rule an operator, total: an operator without a rule does not compile. y is the output, dy its gradient. */
export const GRADIENTS: Rules = {
  // y = a + b:  da = dy,  db = dy (summed over broadcast axes)
  Add: unbroadcast((_, { inputs: [a, b] }, dy) => [
    [a, dy],
    [b, dy],
  ]),
  // y = a - b:  da = dy,  db = -dy
  Sub: unbroadcast((g, { inputs: [a, b] }, dy) => [
    [a, dy],
    [b, g.neg(dy)],
  ]),
  // y = a b:  da = dy b,  db = dy a
  Mul: unbroadcast((g, { inputs: [a, b] }, dy) => [
    [a, g.mul(dy, b)],
    [b, g.mul(dy, a)],
  ]),
  // y = a / b:  da = dy / b,  db = -dy y / b
  Div: unbroadcast((g, { inputs: [a, b], y }, dy) => {
    const da = g.div(dy, b);
    return [
      [a, da],
      [b, g.neg(g.mul(da, y))],
    ];
  }),
  // y = -x:  dx = -dy
  Neg: unary((g, _x, _y, dy) => g.neg(dy)),
  // y = exp x:  dx = dy y
  Exp: unary((g, _x, y, dy) => g.mul(dy, y)),
  // y = log x:  dx = dy / x
  Log: unary((g, x, _y, dy) => g.div(dy, x)),
  // y = sqrt x:  dx = dy / (2 y)
  Sqrt: unary((g, _x, y, dy) => g.div(g.scale(dy, 0.5), y)),
  // y = 1 / x:  dx = -dy y^2
  Reciprocal: unary((g, _x, y, dy) => g.neg(g.mul(dy, g.mul(y, y)))),
  // y = 1 / (1 + exp(-x)):  dx = dy y (1 - y)
  Sigmoid: unary((g, _x, y, dy) => g.mul(dy, g.mul(y, g.sub(g.scalar(1), y)))),
  // y = |x|:  dx = dy sign x
  Abs: unary((g, x, _y, dy) => g.where(g.less(x, g.scalar(0)), g.neg(dy), dy)),
  // y = x s(x), s = sigmoid:  dx = dy (s + y - y s)
  Silu: unary((g, x, y, dy) => {
    const s = g.sigmoid(x);
    return g.mul(dy, g.add(s, g.sub(y, g.mul(y, s))));
  }),
  // y = tanh x:  dx = dy (1 - y^2)
  Tanh: unary((g, _x, y, dy) => g.mul(dy, g.sub(g.scalar(1), g.mul(y, y)))),
  // y = softmax x (last axis):  dx = y (dy - sum(dy y))
  Softmax: unary((g, _x, y, dy) => g.mul(y, g.sub(dy, g.reduceSum(g.mul(dy, y), [-1])))),

  // y = alpha op(a) op(b);  with op = identity:  da = alpha dy b',  db = alpha a' dy
  MatMul: (g, { inputs, attributes: { transA, transB, alpha } }, [dy]) => {
    const [a, b] = inputs as [Value, Value];
    if (!dy) return [];
    const da = transA
      ? g.matMul(b, dy, { transA: transB, transB: true, alpha })
      : g.matMul(dy, b, { transB: !transB, alpha });
    if (b.shape.length === 2 && a.shape.length > 2 && !transA) {
      // A weight shared by all rows: one product over the flattened rows instead of a batch of products and a sum.
      const flat = (x: Value): Value => g.reshape(x, ['rows', x.shape[x.shape.length - 1] as Dim]);
      const db = transB
        ? g.matMul(flat(dy), flat(a), { transA: true, alpha })
        : g.matMul(flat(a), flat(dy), { transA: true, alpha });
      return [sumTo(g, da, a), db];
    }
    const db = transB
      ? g.matMul(dy, a, { transA: true, transB: transA, alpha })
      : g.matMul(a, dy, { transA: !transA, alpha });
    return [sumTo(g, da, a), sumTo(g, db, b)];
  },

  // y = alpha op(a) op(b) of matrices;  with op = identity:  da = alpha dy b',  db = alpha a' dy
  Gemm: (g, { inputs, attributes: { transA, transB, alpha } }, [dy]) => {
    const [a, b] = inputs as [Value, Value];
    if (!dy) return [];
    return [
      transA ? g.gemm(b, dy, { transA: transB, transB: true, alpha }) : g.gemm(dy, b, { transB: !transB, alpha }),
      transB ? g.gemm(dy, a, { transA: true, transB: transA, alpha }) : g.gemm(a, dy, { transA: !transA, alpha }),
    ];
  },

  // y = x M' with M = W + s B A:  dx = dy M,  dA = s (dy B)' x,  dB = s dy' (x A');  W is frozen, and M needs no gradient
  LoraMatMul: (g, { inputs: [x, merged, a, b], attributes: { scale } }, [dy]) => {
    if (!dy || !x || !merged || !a || !b) return [];
    const flat = (v: Value): Value => g.reshape(v, ['rows', v.shape[v.shape.length - 1] as Dim]);
    const [rows, dRows] = [flat(x), flat(dy)];
    const da = g.matMul(g.matMul(dRows, b), rows, { transA: true, alpha: scale });
    const db = g.matMul(dRows, g.matMul(rows, a, { transB: true }), { transA: true, alpha: scale });
    return [g.matMul(dy, merged), undefined, da, db];
  },

  // y = x W' (or x W) with rounded rows:  dx = dy W (or dy W') with rounded rows;  W is frozen
  HalfMatMul: (g, { inputs: [, x, weight], attributes: { transB } }, [dy]) => [
    undefined,
    dy && x && weight && g.halfMatMul(dy, weight, { transB: !transB }),
  ],

  // y = sum x:  dx = dy everywhere
  ReduceSum: (g, { inputs: [x] }, [dy]) => [dy && x && g.expandLike(dy, x)],
  // y = mean of n of x:  dx = dy / n everywhere
  ReduceMean: (g, { inputs: [x], attributes }, [dy]) => {
    if (!dy || !x) return [];
    const count = attributes.axes.reduce((product, axis) => {
      const dim = x.shape[axis];
      if (typeof dim !== 'number')
        throw new ShapeError(`ReduceMean has a gradient only over axes of known size, not "${dim}"`);
      return product * dim;
    }, 1);
    return [g.expandLike(g.scale(dy, 1 / count), x)];
  },
  // y = log sum exp x:  dx = dy exp(x - y)
  ReduceLogSumExp: (g, { inputs: [x], outputs: [y] }, [dy]) => [dy && x && y && g.mul(dy, g.exp(g.sub(x, y)))],

  // y = reshape x:  dx = dy in the shape of x
  Reshape: (g, { inputs: [x] }, [dy]) => [dy && x && g.reshapeLike(dy, x), undefined],
  // y = x with axes permuted:  dx = dy with axes permuted back
  Transpose: (g, { attributes: { perm } }, [dy]) => [
    dy &&
      g.transpose(
        dy,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
  ],
  // y = parts joined:  each part's gradient is its piece of dy
  Concat: (g, { inputs, attributes: { axis } }, [dy]) => {
    if (!dy) return [];
    const dims = inputs.map((part) => part.shape[axis] as Dim);
    const sizes = dims.every((dim) => typeof dim === 'number')
      ? undefined
      : g.concat(
          inputs.map((part) => g.shapeOf(part, axis, axis + 1)),
          0,
          inputs.length,
        );
    return g.split(dy, axis, dims, sizes);
  },
  // pieces of x:  dx = the pieces' gradients joined (0 where a piece does not matter)
  Split: (g, { inputs: [x], outputs, attributes: { axis } }, dys) => {
    if (dys.every((dy) => dy === undefined)) return [];
    const pieces = outputs.map((piece, index) => dys[index] ?? g.zerosLike(piece));
    return [g.concat(pieces, axis, x?.shape[axis]), undefined];
  },
  // y = x repeated over broadcast axes:  dx = dy summed over them
  Expand: (g, { inputs: [x] }, [dy]) => [dy && x && sumTo(g, dy, x), undefined],
  // y = x[from:to] along an axis:  dx = dy with zeros before and behind
  Slice: (g, { inputs: [x, from, to], attributes: { axis } }, [dy]) => [
    dy && x && from && to && g.pad(dy, axis, from, g.sub(g.shapeOf(x, axis, axis + 1), to), x.shape[axis] as Dim),
  ],
  // y = x with zeros before and behind along an axis:  dx = that piece of dy
  Pad: (g, { inputs: [x, amounts], attributes: { axis } }, [dy]) => {
    if (!dy || !x || !amounts) return [];
    const before = g.slice(amounts, 0, g.int64s([axis]), g.int64s([axis + 1]), 1);
    return [g.slice(dy, axis, before, g.add(before, g.shapeOf(x, axis, axis + 1)), x.shape[axis] as Dim)];
  },
  // y[j] = x[i_j] of rows:  dx = dy added at the rows i
  Gather: (g, { inputs: [x, indices] }, [dy]) => [
    dy && x && indices && g.scatterRows(g.zerosLike(x), indices, dy),
    undefined,
  ],
  // y = x with u added at the rows i:  dx = dy,  du[j] = dy[i_j]
  ScatterND: (g, { inputs: [, places] }, [dy]) => [
    dy,
    undefined,
    dy && places && g.gatherRows(dy, g.reshape(places, places.shape.slice(0, -1))),
  ],
  // y[j] = x[i_j]:  dx = dy scattered to i
  GatherElements: (g, { inputs: [x, indices] }, [dy]) => [
    dy && x && indices && g.scatterAdd(g.zerosLike(x), indices, dy),
    undefined,
  ],
  // y = x with u added at i:  dx = dy,  du[j] = dy[i_j]
  ScatterElements: (g, { inputs: [, indices] }, [dy]) => [
    dy,
    undefined,
    dy && indices && g.gatherElements(dy, indices),
  ],
  // y = c ? a : b:  da = c ? dy : 0,  db = c ? 0 : dy
  Where: (g, { inputs: [condition, a, b] }, [dy]) => {
    if (!dy || !condition || !a || !b) return [];
    const zero = g.scalar(0);
    return [undefined, sumTo(g, g.where(condition, dy, zero), a), sumTo(g, g.where(condition, zero, dy), b)];
  },
  // Casts lead from whole numbers, truths and frozen weights.
  Cast: NOT_DIFFERENTIABLE,
  // Of answers, which no gradient is taken of.
  RmsNorm: NOT_DIFFERENTIABLE,
  AddedRmsNorm: NOT_DIFFERENTIABLE,
  RotaryEmbedding: NOT_DIFFERENTIABLE,
  QuantizeLinear: NOT_DIFFERENTIABLE,
  MatMulIntegerToFloat: NOT_DIFFERENTIABLE,
  MatMulNBits: NOT_DIFFERENTIABLE,
  ArgMax: NOT_DIFFERENTIABLE,
  ReduceMax: NOT_DIFFERENTIABLE,
  Shape: NOT_DIFFERENTIABLE,
  Equal: NOT_DIFFERENTIABLE,
  Less: NOT_DIFFERENTIABLE,
  LessOrEqual: NOT_DIFFERENTIABLE,
  And: NOT_DIFFERENTIABLE,
  Or: NOT_DIFFERENTIABLE,
  Loop: NOT_DIFFERENTIABLE,
};

/** `dy` summed over the axes along which `x` was broadcast. */
export function sumTo(g: Graph, dy: Value, x: Value): Value {
  const extra = dy.shape.length - x.shape.length;
  const axes = dy.shape
    .map((dim, axis) => ({ dim, axis, target: axis < extra ? undefined : x.shape[axis - extra] }))
    .filter(({ dim, target }) => target === undefined || (target === 1 && dim !== 1))
    .map(({ axis }) => axis);
  if (axes.length === 0) return dy;
  const summed = g.reduceSum(dy, axes);
  return extra === 0 ? summed : g.reshape(summed, x.shape);
}

function unary<K extends OpName>(rule: (g: Graph, x: Value, y: Value, dy: Value) => Value): GradientRule<K> {
  return (g, { inputs: [x], outputs: [y] }, [dy]) => (dy && x && y ? [rule(g, x, y, dy)] : []);
}

function unbroadcast<K extends OpName>(
  rule: (
    g: Graph,
    node: { readonly inputs: readonly [Value, Value]; readonly y: Value },
    dy: Value,
  ) => readonly (readonly [Value, Value])[],
): GradientRule<K> {
  return (g, { inputs, outputs: [y] }, [dy]) =>
    dy && y ? rule(g, { inputs: inputs as readonly [Value, Value], y }, dy).map(([x, dx]) => sumTo(g, dx, x)) : [];
}
