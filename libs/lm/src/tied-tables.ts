import type { StoredTensor } from './frozen-weights.ts';
import type { ModelConfig } from './model-config.ts';
import { EMBEDDING, OUTPUT } from './parameter-names.ts';
import type { HostTensor } from './safetensors.ts';

/**
 * What a tied configuration means for the tables that are there, as transformers 5 has it: one table serves both ends, whichever
 * of the two names it has; but where both are there and differ, each serves its own end, whatever the configuration says.
 */
export function resolveTies<T extends Pick<HostTensor, 'dims'>>(
  config: ModelConfig,
  tensors: ReadonlyMap<string, T>,
  /** Whether two tensors of one shape hold the same numbers. */
  equal: (a: T, b: T) => boolean,
): { readonly config: ModelConfig; readonly tensors: ReadonlyMap<string, T> } {
  const output = tensors.get(OUTPUT);
  if (!config.tiedEmbeddings || !output) return { config, tensors };
  const embedding = tensors.get(EMBEDDING);
  const isOne = !embedding || (embedding.dims.join() === output.dims.join() && equal(embedding, output));
  if (!isOne) return { config: { ...config, tiedEmbeddings: false }, tensors };
  const one = new Map(tensors).set(EMBEDDING, embedding ?? output);
  one.delete(OUTPUT);
  return { config, tensors: one };
}

/** Of tables in memory, which are never packed. */
export function equalTables(a: StoredTensor, b: StoredTensor): boolean {
  return 'data' in a && 'data' in b && a.data.every((value, i) => value === b.data[i]);
}
