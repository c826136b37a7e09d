import { Graph } from '@solopo/onnx-graph';
import type { Runtime } from './runtime.ts';
import { float32, hostFloats, int8, type Tensor } from './tensor.ts';

/** More than a vector of the processor holds. */
const TERMS = 256;

const known = new WeakMap<Runtime, Promise<boolean>>();

/**
 * Whether products of 8-bit numbers are summed exactly here. A processor without instructions for them (x86 before VNNI) adds them in
 * pairs of 16 bits, which the greatest do not fit.
 */
export function sumsIntegersExactly(runtime: Runtime): Promise<boolean> {
  const answer = known.get(runtime) ?? measure(runtime);
  known.set(runtime, answer);
  return answer;
}

async function measure(runtime: Runtime): Promise<boolean> {
  const graph = (): Graph => {
    const g = new Graph('integer-products');
    const x = g.input('x', 'float32', ['M', TERMS]);
    g.output('y', g.integerMatMul(x, g.input('w', 'int8', [1, TERMS]), g.input('scale', 'float32', [1, 1])));
    return g;
  };
  const tensors = { w: int8(new Int8Array(TERMS).fill(127), [1, TERMS]), scale: float32(Float32Array.of(1), [1, 1]) };
  const weights = { owner: known, part: 'integer-products', tensors, inSession: true };
  // Each is 127 of 127: 127 x 127 / 127 x TERMS.
  const { y } = await runtime.run(
    'integer-products',
    graph,
    { x: float32(new Float32Array(TERMS).fill(1), [1, TERMS]) },
    ['y'],
    weights,
  );
  await runtime.releaseSessions(known);
  return Math.abs((hostFloats(y as Tensor)[0] as number) / (127 * TERMS) - 1) < 1e-5;
}
