import type { ResponseStatistics } from '@solopo/objectives';
import { consume } from './activations.ts';
import type { TargetStatistics } from './head.ts';
import type { LanguageModel } from './language-model.ts';
import { inParts } from './batches.ts';
import { Pace } from './pace.ts';
import { canPart, packPart } from './parts.ts';
import type { ScoreOptions } from './scoring.ts';
import { PROMPT_BRANCH, treeLength, type Target, type Tree } from './tree-batch.ts';

/** Sums over the targets of each response, or prompt, in their order and in double precision; by tree and branch. */
export function responseStatistics(
  targets: readonly Pick<Target, 'tree' | 'branch'>[],
  { logps, hits, entropies, meanLogits, kls }: TargetStatistics,
): (tree: number, branch: number) => ResponseStatistics {
  const rows = new Map<string, { -readonly [K in keyof ResponseStatistics]: number }>();
  targets.forEach(({ tree, branch }, i) => {
    const key = `${tree} ${branch}`;
    const row = rows.get(key) ?? { ...EMPTY };
    rows.set(key, row);
    row.tokens += 1;
    row.logp += logps[i] as number;
    row.hits += hits[i] as number;
    row.entropy += entropies[i] as number;
    row.meanLogit += meanLogits[i] as number;
    if (kls.length > 0) row.kl = (row.kl ?? 0) + (kls[i] as number);
  });
  return (tree, branch) => rows.get(`${tree} ${branch}`) ?? EMPTY;
}

const EMPTY: ResponseStatistics = { tokens: 0, logp: 0, hits: 0, entropy: 0, meanLogit: 0 };

export interface MeasuredTree {
  readonly branches: readonly ResponseStatistics[];
  /** Of the prompt's own tokens but the first, where they were asked for. */
  readonly prompt: ResponseStatistics | null;
}

/** As scoreTrees, with each response's tokens added up. */
export async function measureTrees(
  model: LanguageModel,
  trees: readonly Tree[],
  {
    batchTokens,
    scorePrompt = false,
    pace = new Pace(),
    onBatch,
    ...range
  }: ScoreOptions & { readonly scorePrompt?: boolean },
): Promise<MeasuredTree[]> {
  const measured: MeasuredTree[] = [];
  await inParts(trees, treeLength, batchTokens, { pace, whole: !canPart(model), ...range }, async (part, place) => {
    const activations = await model.infer(packPart(model, part, place, { scorePrompt }));
    const of = responseStatistics(
      activations.batch.targets,
      await consume(activations, (given) => model.targetStats(given)),
    );
    measured.push(
      ...part.map(({ branches }, tree) => ({
        branches: branches.map((_, branch) => of(tree, branch)),
        prompt: scorePrompt ? of(tree, PROMPT_BRANCH) : null,
      })),
    );
    onBatch?.(measured.length);
  });
  return measured;
}
