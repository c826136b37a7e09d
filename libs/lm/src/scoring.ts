import { inParts } from './batches.ts';
import { consume } from './activations.ts';
import type { LanguageModel } from './language-model.ts';
import { Pace } from './pace.ts';
import { canPart, packPart } from './parts.ts';
import { NO_TREE, treeLength, type Tree } from './tree-batch.ts';

export interface ScoreOptions {
  /** Padded tokens of a batch. */
  readonly batchTokens: number;
  /** The trees to score, of all that batches are made of; default: all. */
  readonly from?: number;
  readonly to?: number;
  /** Batches are done in parts that are as small as it wants, and it ends the work early. The numbers are the same. */
  readonly pace?: Pace;
  readonly onBatch?: (done: number) => void;
}

/**
 * Log-probabilities of every response token: the same forward pass that training uses.
 * Trees are run in the order given, in batches of at most `batchTokens` padded tokens.
 *
 * @returns for each tree from `from` on, for each branch, log p of each token; for the first of them alone where the pace ended it early
 */
export async function scoreTrees(
  model: LanguageModel,
  trees: readonly Tree[],
  { batchTokens, pace = new Pace(), onBatch, ...range }: ScoreOptions,
): Promise<Float32Array[][]> {
  const scores: Float32Array[][] = [];
  await inParts(trees, treeLength, batchTokens, { pace, whole: !canPart(model), ...range }, async (part, place) => {
    const batch = packPart(model, part, place);
    const { logps } = await consume(await model.infer(batch), (activations) => model.targetLogps(activations));
    scores.push(
      ...splitByBranch(
        part,
        logps.filter((_, i) => batch.targets[i]?.tree !== NO_TREE),
      ),
    );
    onBatch?.(scores.length);
  });
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
