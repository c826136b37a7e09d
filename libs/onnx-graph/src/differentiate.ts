import { GRADIENTS, NOT_DIFFERENTIABLE } from './gradients.ts';
import type { Graph, GraphNode, Value } from './graph.ts';
import { formatShape, sameShape, ShapeError } from './shape.ts';
import type { OpName } from './ops.ts';

/**
 * Reverse-mode differentiation: adds to `graph` the gradients of sum(y * dy) over the given outputs with respect to
 * `wrt`. Only nodes on a path from `wrt` to an output are differentiated. Nodes added so far are the forward pass.
 *
 * @throws ShapeError when a gradient reaches a value of `wrt` in another shape, or none reaches it.
 */
export function differentiate(
  graph: Graph,
  outputs: readonly { readonly y: Value; readonly dy: Value }[],
  wrt: readonly Value[],
): Value[] {
  const forward = [...graph.nodes];
  const active = new Set<Value>(wrt);
  for (const node of forward) {
    if (GRADIENTS[node.op] !== NOT_DIFFERENTIABLE && node.inputs.some((input) => active.has(input))) {
      for (const output of node.outputs) active.add(output);
    }
  }

  const gradients = new Map<Value, Value>();
  const accumulate = (value: Value, gradient: Value): void => {
    const sum = gradients.get(value);
    gradients.set(value, sum ? graph.add(sum, gradient) : gradient);
  };
  for (const { y, dy } of outputs) accumulate(y, dy);

  for (const node of forward.reverse()) {
    const dys = node.outputs.map((output) => gradients.get(output));
    if (!node.outputs.some((output) => active.has(output)) || dys.every((dy) => dy === undefined)) continue;
    const dxs = apply(graph, node, dys);
    node.inputs.forEach((input, index) => {
      const dx = dxs[index];
      if (dx && active.has(input)) accumulate(input, dx);
    });
  }

  return wrt.map((value) => {
    const gradient = gradients.get(value);
    if (!gradient)
      throw new ShapeError(`"${value.name}" does not influence what is differentiated in graph ${graph.name}`);
    if (!sameShape(gradient.shape, value.shape)) {
      throw new ShapeError(
        `the gradient of "${value.name}" has shape ${formatShape(gradient.shape)}, not ${formatShape(value.shape)}`,
      );
    }
    return gradient;
  });
}

function apply<K extends OpName>(
  graph: Graph,
  node: GraphNode<K>,
  dys: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  const rule = GRADIENTS[node.op];
  return rule === NOT_DIFFERENTIABLE ? [] : rule(graph, node, dys);
}
