import { sigmoid, softplus } from './numbers.ts';
import type { MarginLoss, Reward } from './reward.ts';
import type { RowLogps } from './rows.ts';

/**
 * Simple preference optimization (Meng et al. 2024, arXiv 2405.14734, eq. 6); no reference:
 *
 *     r(x, y) = beta / |y| log pi(y | x)
 *     L       = -log sigmoid(r_w - r_l - gamma)
 */
export interface SimpoOptions {
  readonly kind: 'simpo';
  readonly beta: number;
  /** Target margin, on the rewards' own scale: the paper's gamma, not its gamma / beta. */
  readonly gamma: number;
}

export function simpoReward({ beta }: SimpoOptions, { policy, tokens }: RowLogps): Reward {
  const slope = beta / tokens;
  return { value: slope * policy, slope };
}

export function simpoLoss({ gamma }: SimpoOptions, margin: number): MarginLoss {
  return { loss: softplus(gamma - margin), slope: -sigmoid(gamma - margin) };
}
