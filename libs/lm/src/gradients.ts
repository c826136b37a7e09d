import type { Runtime } from './runtime.ts';
import type { HostTensors } from './safetensors.ts';
import { wholeName } from './table-pieces.ts';
import { float32, type Tensor } from './tensor.ts';

/**
 * Gradients of a loss, by parameter, where the runtime computes; summed over the passes that are added. Of a table in pieces, by
 * piece.
 */
export type Gradients = Map<string, Tensor>;

/** Zeros in the shape of each parameter, in this process's memory. */
export function zeroGradients(parameters: HostTensors): Gradients {
  return new Map([...parameters].map(([name, { dims, data }]) => [name, float32(new Float32Array(data.length), dims)]));
}

/** By parameter, in this process's memory: of tables in pieces, whole ones. */
export async function readGradients(runtime: Runtime, gradients: Gradients): Promise<Map<string, Float32Array>> {
  const read = new Map<string, Float32Array>();
  for (const [name, pieces] of Map.groupBy(gradients, ([name]) => wholeName(name)))
    read.set(name, await runtime.readJoined(pieces.map(([, gradient]) => gradient)));
  return read;
}

/** What is summed so far, as the graphs that add to it read it: `d_NAME_sum`. */
export function sumsSoFar(
  gradients: Gradients,
  names: readonly (readonly [inGraph: string, inModel: string])[],
): Record<string, Tensor> {
  return Object.fromEntries(names.map(([name, parameter]) => [`d_${name}_sum`, gradients.get(parameter) as Tensor]));
}

export function freeGradients(runtime: Runtime, gradients: Gradients): void {
  for (const gradient of gradients.values()) runtime.free(gradient);
  gradients.clear();
}
