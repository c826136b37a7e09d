import { isPreference, marginLoss, rewardOf, type Objective } from './objective.ts';
import type { Rows } from './rows.ts';

/**
 * A bound on the loss under x_long by what is known under x_short. With d_w = r_short,w - r_long,w and
 * d_l = r_long,l - r_short,l the long margin is the short one minus d_w minus d_l; a loss that never rises with the margin
 * and has slope K at most gives
 *
 *     L_PO(long) <= L_PO(short) + K (max(0, d_w) + max(0, d_l))
 *
 * So `solo-both` with alpha >= K and each reward's own reference is a certificate; chosen-only alignment leaves d_l free
 * and is none. K is 1, for ORPO beta (of its preference part; its likelihood is on x_short alone). IPO's slope has no
 * limit and label smoothing rises with the margin: no bound; nor have SFT and distillation a margin.
 */
export function longLossBound(objective: Objective, rows: Rows): { bound: number; slack: number } | null {
  if (
    !isPreference(objective) ||
    (objective.kind === 'dpo' && (objective.loss === 'ipo' || objective.labelSmoothing > 0))
  )
    return null;
  const [shortChosen, shortRejected, longChosen, longRejected] = (
    ['shortChosen', 'shortRejected', 'longChosen', 'longRejected'] as const
  ).map((row) => rewardOf(objective, rows, row).value) as [number, number, number, number];
  const steepest = objective.kind === 'orpo' ? objective.beta : 1;
  const bound =
    marginLoss(objective, shortChosen - shortRejected).loss +
    steepest * (Math.max(0, shortChosen - longChosen) + Math.max(0, longRejected - shortRejected));
  return { bound, slack: bound - marginLoss(objective, longChosen - longRejected).loss };
}
