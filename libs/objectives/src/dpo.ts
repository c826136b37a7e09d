import { sigmoid, softplus } from './numbers.ts';
import type { MarginLoss, Reward } from './reward.ts';
import type { ScoredRow } from './rows.ts';

/**
 * Direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290, eq. 7), with m = r_w - r_l:
 *
 *     r(x, y) = beta (log pi(y | x) - log pi_ref(y | x))          summed over the response's tokens
 *     sigmoid   L = -(1 - e) log sigmoid(m) - e log sigmoid(-m)   e: label smoothing (Mitchell 2023, "cDPO")
 *     hinge     L = max(0, 1 - m)                                 (Liu et al. 2024, RSO, arXiv 2309.06657)
 *     ipo       L = (m / beta - 1 / (2 beta))^2                   (Azar et al. 2023, arXiv 2310.12036, eq. 17)
 *
 * With `ipo` the reward is the mean over the response's tokens, as TRL has it: IPO regresses on a fixed target, which
 * sums over responses of different lengths would move.
 */
export interface DpoOptions {
  readonly kind: 'dpo';
  readonly beta: number;
  readonly loss: 'sigmoid' | 'ipo' | 'hinge';
  readonly labelSmoothing: number;
}

export function dpoReward({ beta, loss }: DpoOptions, { policy, reference, tokens }: ScoredRow): Reward {
  const slope = loss === 'ipo' ? beta / tokens : beta;
  return { value: slope * (policy - reference), slope };
}

export function dpoLoss({ beta, loss, labelSmoothing: e }: DpoOptions, margin: number): MarginLoss {
  switch (loss) {
    case 'sigmoid':
      // softplus(-m) = -log sigmoid(m)
      return {
        loss: (1 - e) * softplus(-margin) + e * softplus(margin),
        slope: e * sigmoid(margin) - (1 - e) * sigmoid(-margin),
      };
    case 'hinge':
      return { loss: Math.max(0, 1 - margin), slope: margin < 1 ? -1 : 0 };
    case 'ipo': {
      const error = (margin - 0.5) / beta;
      return { loss: error * error, slope: (2 * error) / beta };
    }
  }
}
