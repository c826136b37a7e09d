/**
 * Direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290, eq. 7).
 *
 *     r(x, y) = beta (log pi(y | x) - log pi_ref(y | x))          summed over the response's tokens
 *     L       = -log sigmoid(r_w - r_l)
 */
export interface DpoTerm {
  readonly loss: number;
  /** r_w and r_l. */
  readonly rewardChosen: number;
  readonly rewardRejected: number;
  /** dL / d log pi(y_w) and dL / d log pi(y_l). */
  readonly dChosen: number;
  readonly dRejected: number;
}

export interface Logps {
  readonly policy: number;
  readonly reference: number;
}

export function dpo(beta: number, chosen: Logps, rejected: Logps): DpoTerm {
  const rewardChosen = beta * (chosen.policy - chosen.reference);
  const rewardRejected = beta * (rejected.policy - rejected.reference);
  const margin = rewardChosen - rewardRejected;
  // dL/dmargin = -sigmoid(-margin)
  const slope = -sigmoid(-margin);
  return {
    loss: softplus(-margin),
    rewardChosen,
    rewardRejected,
    dChosen: beta * slope,
    dRejected: -beta * slope,
  };
}

/** log(1 + exp x), without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** 1 / (1 + exp(-x)), without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}
