import type { RowLogps } from './rows.ts';

/**
 * Self-distillation on the model's own answers (OPSDL, arXiv 2604.17535): y is sampled on x_long, the base model on x_short is the
 * teacher and the policy on x_long the student,
 *
 *     L = 1 / |y| sum_t KL(pi(. | x_long, y_<t) || pi_ref(. | x_short, y_<t))
 *
 * over the whole vocabulary, the student first ("reverse"). It has no reward and no rejected answer; where held-out answers are
 * compared, the mean log-probability stands for a reward.
 */
export interface DistilOptions {
  readonly kind: 'distil';
}

/** The mean over the tokens of a row's summed KL, and its slope with respect to the sum. */
export function distilLoss({ kl, tokens }: RowLogps & { readonly kl: number }): { loss: number; slope: number } {
  return { loss: kl / tokens, slope: 1 / tokens };
}
