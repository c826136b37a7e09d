import type { Reward } from './reward.ts';
import type { RowLogps } from './rows.ts';

/**
 * Supervised fine-tuning on the chosen response:
 *
 *     L = NLL(y_w) = -1 / |y_w| sum_t log pi(y_t | x, y_<t)
 *
 * It has no reward; where held-out pairs are compared, the mean log-probability stands for one.
 */
export interface SftOptions {
  readonly kind: 'sft';
  readonly context: 'short' | 'long';
}

/** The negative log-likelihood of some rows together, per token, and its slope dNLL / d log pi, the same for each. */
export function negativeLogLikelihood(rows: readonly RowLogps[]): { loss: number; slope: number } {
  const tokens = rows.reduce((sum, row) => sum + row.tokens, 0);
  return { loss: -rows.reduce((sum, row) => sum + row.policy, 0) / tokens, slope: -1 / tokens };
}

export function sftReward({ policy, tokens }: RowLogps): Reward {
  return { value: policy / tokens, slope: 1 / tokens };
}
