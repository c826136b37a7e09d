import type { LanguageModel } from './language-model.ts';
import { NO_TREE, packTrees, type PackOptions, type Tree, type TreeBatch } from './tree-batch.ts';

/** Numbers of a SIMD register at most: rows that are a multiple begin all in the same way. */
const LANES = 16;

/**
 * Whether trees of a group give the same bits when they are run apart, in its layout. Kernels take a row's numbers in the order that
 * its place in memory suggests: rows must be whole registers.
 */
export function canPart({ config: { hiddenSize, headSize, intermediateSize } }: LanguageModel): boolean {
  return [hiddenSize, headSize, intermediateSize].every((size) => size % LANES === 0);
}

/**
 * The part of a group of trees that begins with its tree `at`, laid out so that its numbers are the group's to the last bit: rows are as
 * long as the group's, and its targets stand in the head's products where they stand in the group's. Those of other trees are there for
 * the shape alone (`NO_TREE`).
 */
export function packPart(
  { packing }: Pick<LanguageModel, 'packing'>,
  part: readonly Tree[],
  { group, at }: { readonly group: readonly Tree[]; readonly at: number },
  options: Pick<PackOptions, 'scorePrompt'> = {},
): TreeBatch {
  const batch = packTrees(part, { ...packing, ...options, partOf: group });
  if (part.length === group.length) return batch;
  const own = batch.targets.values();
  const filler = { index: batch.readFrom, token: 0, tree: NO_TREE, branch: 0 };
  const targets = packTrees(group, { ...packing, ...options }).targets.map(({ tree }) =>
    tree >= at && tree < at + part.length ? (own.next().value ?? filler) : filler,
  );
  return { ...batch, targets };
}
