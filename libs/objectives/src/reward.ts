/** r(x, y), and its slope dr / d log pi(y | x) with respect to the response's summed log-probability. */
export interface Reward {
  readonly value: number;
  readonly slope: number;
}

/** A loss as a function of the margin r_w - r_l, and its slope dL / dmargin. */
export interface MarginLoss {
  readonly loss: number;
  readonly slope: number;
}
