/**
 * SoLo-RA, the chosen-only short-to-long reward alignment (SoLoPO, arXiv 2505.11166):
 *
 *     L_RA = alpha | r(x_short, y_w) - r(x_long, y_w) |
 *
 * With `reference: shared` both rewards take log pi_ref(y_w | x_short), so that the gap is
 * beta (log pi(y_w | x_short) - log pi(y_w | x_long)); with `per-context` each takes its own. `detach: short` stops the
 * gradient through the short reward: only the long answer is lifted, the short one cannot be pulled down to meet it.
 * Inside the dead zone |gap| <= deadZone * beta * tokens the term is 0, and so is its slope: at the first step of DPO
 * the true gap is 0 and rounding alone would decide the sign.
 */
export interface AlignmentOptions {
  readonly alpha: number;
  readonly reference: 'shared' | 'per-context';
  readonly detach: 'none' | 'short';
  readonly deadZone: number;
}

export interface AlignmentTerm {
  readonly loss: number;
  /** r(x_short, y_w) - r(x_long, y_w) */
  readonly gap: number;
  /** dL / d log pi(y_w | x_short) and dL / d log pi(y_w | x_long). */
  readonly dShort: number;
  readonly dLong: number;
}

/**
 * @param rewardShort r(x_short, y_w)
 * @param rewardLong r(x_long, y_w)
 * @param slope dr / d log pi(y_w), the same for both: beta for DPO
 * @param tokens response tokens of y_w
 */
export function alignment(
  { alpha, detach, deadZone }: AlignmentOptions,
  {
    rewardShort,
    rewardLong,
    slope,
    tokens,
  }: { rewardShort: number; rewardLong: number; slope: number; tokens: number },
): AlignmentTerm {
  const gap = rewardShort - rewardLong;
  const sign = Math.abs(gap) <= deadZone * slope * tokens ? 0 : Math.sign(gap);
  return {
    loss: alpha * gap * sign,
    gap,
    dShort: detach === 'short' || sign === 0 ? 0 : alpha * sign * slope,
    dLong: sign === 0 ? 0 : -alpha * sign * slope,
  };
}
