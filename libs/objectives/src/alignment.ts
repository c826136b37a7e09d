import type { Reward } from './reward.ts';

/**
 * SoLo-RA, the short-to-long reward alignment (SoLoPO, arXiv 2505.11166):
 *
 *     L_RA = alpha / p  D(r(x_short, y) - r(x_long, y))       y = y_w; in the arm solo-both the same for y_l is added
 *
 * r is the reward of the objective itself. `fraction` p < 1 aligns a random share p of the pairs; the weight 1 / p keeps
 * the expected gradient.
 *
 * - distance D(d): `absolute` |d| (the paper's), `squared` d^2, `smooth-l1` d^2 / 2 below 1, then |d| - 1/2.
 * - `sides: one` punishes only what makes the long margin smaller: r_short,w > r_long,w, and r_long,l > r_short,l.
 * - `reference` (DPO): `shared`, both rewards take log pi_ref(y | x_short), so that the gap is beta times the difference
 *   of the policy's own log-probabilities; `per-context`, each reward takes its own (the literal formula).
 * - `detach: short` stops the gradient through the short reward: only the long answer is lifted, the short one cannot
 *   be pulled down to meet it.
 * - `deadZone`: where |d| <= deadZone * |dr / d log pi| * tokens the term is 0, and so is its slope. At the first step of
 *   DPO the true gap is 0, and rounding alone would decide the sign of a full-size gradient.
 * - `backward`: what of the long row has a gradient; see `AlignmentBackward`. The value of the term does not depend on it.
 */
export interface AlignmentOptions {
  readonly alpha: number;
  readonly reference: 'shared' | 'per-context';
  readonly distance: 'absolute' | 'squared' | 'smooth-l1';
  readonly sides: 'two' | 'one';
  readonly detach: 'none' | 'short';
  readonly deadZone: number;
  readonly fraction: number;
  /** Absent: `full`. */
  readonly backward?: AlignmentBackward | undefined;
}

/**
 * Which tokens of the long row have a gradient: all; the last so many of the prompt, and the answer; or the places that predict the
 * answer's tokens (the prompt's last token and the answer, as `tail: 1`). Of the tokens before, keys and values are constants.
 */
export type AlignmentBackward = 'full' | 'response' | { readonly tail: number };

export interface AlignmentTerm {
  readonly loss: number;
  /** r(x_short, y) - r(x_long, y) */
  readonly gap: number;
  /** dL / d log pi(y | x_short) and dL / d log pi(y | x_long). */
  readonly dShort: number;
  readonly dLong: number;
}

export interface AlignedResponse {
  readonly response: 'chosen' | 'rejected';
  readonly short: Reward;
  readonly long: Reward;
  /** Of the response. */
  readonly tokens: number;
}

export function alignment(
  options: AlignmentOptions,
  { response, short, long, tokens }: AlignedResponse,
): AlignmentTerm {
  const { alpha, fraction, distance, sides, detach, deadZone } = options;
  const gap = short.value - long.value;
  const harm = response === 'chosen' ? gap : -gap;
  // Rewards may differ in slope (ORPO): the steeper one's rounding is the larger.
  const silent =
    Math.abs(gap) <= deadZone * Math.max(short.slope, long.slope) * tokens || (sides === 'one' && harm <= 0);
  const { value, slope } = silent ? SILENT : DISTANCES[distance](gap);
  const weight = alpha / fraction;
  return {
    loss: weight * value,
    gap,
    dShort: detach === 'short' ? 0 : weight * slope * short.slope,
    dLong: -weight * slope * long.slope,
  };
}

const SILENT = { value: 0, slope: 0 };

const DISTANCES = {
  absolute: (gap: number) => ({ value: Math.abs(gap), slope: Math.sign(gap) }),
  squared: (gap: number) => ({ value: gap * gap, slope: 2 * gap }),
  'smooth-l1': (gap: number) =>
    Math.abs(gap) < 1
      ? { value: (gap * gap) / 2, slope: gap }
      : { value: Math.abs(gap) - 1 / 2, slope: Math.sign(gap) },
} as const satisfies Record<AlignmentOptions['distance'], (gap: number) => { value: number; slope: number }>;
