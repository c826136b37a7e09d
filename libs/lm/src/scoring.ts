import { inBatches } from './batches.ts';
import { consume } from './activations.ts';
import type { LanguageModel } from './language-model.ts';
import { packTrees, treeLength, type Tree } from './tree-batch.ts';

/**
 * Log-probabilities of every response token: the same forward pass that training uses.
 * Trees are run in the order given, in batches of at most `batchTokens` padded tokens.
 *
 * @returns for each tree, for each branch, log p of each token; for the first trees alone where `enough` ended it early
 */
export async function scoreTrees(
  model: LanguageModel,
  trees: readonly Tree[],
  { batchTokens, onBatch, enough }: { batchTokens: number; onBatch?: (done: number) => void; enough?: () => boolean },
): Promise<Float32Array[][]> {
  const scores: Float32Array[][] = [];
  await inBatches(
    trees,
    treeLength,
    batchTokens,
    async (group) => {
      const batch = packTrees(group, model.packing);
      const { logps } = await consume(await model.infer(batch), (activations) => model.targetLogps(activations));
      scores.push(...splitByBranch(group, logps));
      onBatch?.(scores.length);
    },
    enough,
  );
  return scores;
}

/** Cuts a flat array over a batch's targets into one array a branch. */
export function splitByBranch(trees: readonly Tree[], values: Float32Array): Float32Array[][] {
  let offset = 0;
  return trees.map(({ branches }) => branches.map(({ length }) => values.slice(offset, (offset += length))));
}

export function sumOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
