import type { NamedParameters } from './parameters.ts';
import type { Outputs, Runtime } from './runtime.ts';
import type { HostTensors } from './safetensors.ts';
import type { Scope } from './scope.ts';
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

/** Whether there are sums of these parameters to add to, and these as the graphs read them: `d_NAME_sum`. */
export function sumsSoFar(
  gradients: Gradients,
  names: NamedParameters,
): { readonly add: boolean; readonly sums: Readonly<Record<string, Tensor>> } {
  const add = names.every(([, parameter]) => gradients.has(parameter));
  if (!add) return { add, sums: {} };
  return {
    add,
    sums: Object.fromEntries(names.map(([name, parameter]) => [`d_${name}_sum`, gradients.get(parameter) as Tensor])),
  };
}

/** Takes the gradients that a graph gave, `d_NAME`, over from the scope; they hold what was summed before. */
export function collectGradients(scope: Scope, gradients: Gradients, names: NamedParameters, outputs: Outputs): void {
  for (const [name, parameter] of names) {
    const gradient = outputs[`d_${name}`];
    if (!gradient) continue;
    const past = gradients.get(parameter);
    gradients.set(parameter, scope.release(gradient));
    if (past) scope.runtime.free(past);
  }
}

export function freeGradients(runtime: Runtime, gradients: Gradients): void {
  for (const gradient of gradients.values()) runtime.free(gradient);
  gradients.clear();
}
