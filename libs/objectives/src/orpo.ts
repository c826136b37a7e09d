import { log1mexp, sigmoid, softplus } from './numbers.ts';
import type { MarginLoss, Reward } from './reward.ts';
import type { RowLogps } from './rows.ts';

/**
 * Odds-ratio preference optimization (Hong et al. 2024, arXiv 2403.07691, eqs. 4 to 7); no reference:
 *
 *     p(x, y) = exp(mean_t log pi(y_t | x, y_<t)),   r(x, y) = log odds(y | x) = log p - log(1 - p)
 *     L       = nllWeight * NLL(y_w) - beta log sigmoid(r_w - r_l)                 beta: the paper's lambda
 *
 * dr / d(mean log pi) = 1 / (1 - p) has no bound as p -> 1 (short answers that the model is sure of), so the mean is
 * capped at `MAX_MEAN_LOGP`: above it the reward stays at log odds 9.2 and has no slope. log(1 - p) is computed by
 * log1mexp, exact at both ends; without both, a sure answer gives log(0).
 *
 * The NLL is the mean over the tokens of one pair: the response's, as LLaMA-Factory counts, or the prompt's too, as
 * TRL does. (TRL takes the mean over all tokens of a batch, so that long pairs weigh more; here every pair weighs the
 * same, as it does in the odds ratio.)
 */
export interface OrpoOptions {
  readonly kind: 'orpo';
  readonly beta: number;
  readonly nllWeight: number;
  readonly nll: 'response' | 'all';
}

export const MAX_MEAN_LOGP = -1e-4;

export function orpoReward({ policy, tokens }: RowLogps): Reward {
  const mean = policy / tokens;
  const capped = Math.min(mean, MAX_MEAN_LOGP);
  // 1 - p = -expm1(log p)
  return { value: capped - log1mexp(capped), slope: mean > MAX_MEAN_LOGP ? 0 : -1 / (Math.expm1(capped) * tokens) };
}

export function orpoLoss({ beta }: OrpoOptions, margin: number): MarginLoss {
  return { loss: beta * softplus(-margin), slope: -beta * sigmoid(-margin) };
}
