import type { AlignmentConfig, ObjectiveConfig } from '@solopo/contracts';
import { alignmentOf, dpo, type Row, type RowLogps } from '@solopo/objectives';

export type FourRows = Readonly<Record<Row, RowLogps & { readonly reference: number }>>;

/**
 * One held-out pair. `solo/margin_long` is the reward margin under x_long, each response against its own reference there.
 * `solo/bound_slack` is L_PO(short) + max(0, d_w) + max(0, d_l) - L_PO(long) with d_w = r_short,w - r_long,w and
 * d_l = r_long,l - r_short,l: never negative, since the logistic loss has slope at most 1.
 */
export function pairAlignment(
  options: { readonly objective: ObjectiveConfig; readonly alignment: AlignmentConfig },
  rows: FourRows,
): Record<string, number> {
  const { beta } = options.objective;
  const short = dpo(beta, rows.shortChosen, rows.shortRejected);
  const long = dpo(beta, rows.longChosen, rows.longRejected);
  const marginShort = short.rewardChosen - short.rewardRejected;
  const marginLong = long.rewardChosen - long.rewardRejected;
  const slack =
    short.loss +
    Math.max(0, short.rewardChosen - long.rewardChosen) +
    Math.max(0, long.rewardRejected - short.rewardRejected) -
    long.loss;
  return {
    loss: short.loss,
    'rewards/chosen': short.rewardChosen,
    'rewards/rejected': short.rewardRejected,
    'rewards/margins': marginShort,
    'rewards/accuracies': marginShort > 0 ? 1 : 0,
    'logps/chosen': rows.shortChosen.policy,
    'logps/rejected': rows.shortRejected.policy,
    ...alignmentOf(options, rows).metrics,
    'solo/loss_long': long.loss,
    'solo/margin_long': marginLong,
    'solo/accuracy_long': marginLong > 0 ? 1 : 0,
    'solo/logp_chosen_long': rows.longChosen.policy,
    'solo/bound_slack': slack,
  };
}

/** Means over the pairs, and the 95th percentile (nearest rank) of the absolute gap. */
export function alignmentMetrics(pairs: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = Object.keys(pairs[0] ?? {});
  const mean = (name: string): number => pairs.reduce((sum, pair) => sum + (pair[name] as number), 0) / pairs.length;
  const gaps = pairs.map((pair) => pair['solo/gap_abs'] as number).sort((a, b) => a - b);
  return {
    ...Object.fromEntries(names.map((name) => [name, mean(name)])),
    'solo/gap_p95': gaps[Math.ceil(0.95 * gaps.length) - 1] ?? 0,
    pairs: pairs.length,
  };
}
