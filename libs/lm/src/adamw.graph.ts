import { Graph, type Value } from '@solopo/onnx-graph';
import type { AdamWOptions } from './adamw.ts';

/**
 * A step of AdamW on tensors of the given shapes: `w_i`, `m_i`, `v_i` and the gradient `g_i` -> new `w_i`, `m_i`, `v_i`
 * (`NAME_out`). The scalars are `factor` on the gradients, `rate` = learning rate / (1 - b1^t), `keep` = 1 - learning rate *
 * decay (of what is no vector) and `root` = sqrt(1 - b2^t).
 */
export function adamWStep({ betas: [b1, b2], epsilon }: AdamWOptions, shapes: readonly (readonly number[])[]): Graph {
  const g = new Graph('adamw');
  const [factor, rate, keep, root] = ['factor', 'rate', 'keep', 'root'].map((name) => g.input(name, 'float32', []));
  shapes.forEach((shape, i) => {
    const input = (name: string): Value => g.input(`${name}_${i}`, 'float32', shape);
    const gradient = g.mul(input('g'), factor as Value);
    const m = g.add(g.scale(input('m'), b1), g.scale(gradient, 1 - b1));
    const v = g.add(g.scale(input('v'), b2), g.scale(g.mul(gradient, gradient), 1 - b2));
    const kept = shape.length > 1 ? g.mul(input('w'), keep as Value) : input('w');
    const step = g.div(g.mul(m, rate as Value), g.add(g.div(g.sqrt(v), root as Value), g.scalar(epsilon)));
    g.output(`w_${i}_out`, g.sub(kept, step));
    g.output(`m_${i}_out`, m);
    g.output(`v_${i}_out`, v);
  });
  return g;
}

/** Gradients `g_i` of the given shapes -> `sum` [1], the sum of their squares and of `past`. */
export function squareSum(shapes: readonly (readonly number[])[]): Graph {
  const g = new Graph('square-sum');
  const sums = shapes.map((shape, i) => {
    const x = g.input(`g_${i}`, 'float32', shape);
    const axes = shape.map((_, axis) => axis);
    return g.reshape(g.reduceSum(g.mul(x, x), axes), [1]);
  });
  g.output(
    'sum',
    sums.reduce((a, b) => g.add(a, b), g.input('past', 'float32', [1])),
  );
  return g;
}
