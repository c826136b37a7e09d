export interface ScheduleOptions {
  readonly learningRate: number;
  readonly schedule: 'constant' | 'linear' | 'cosine' | 'constant-then-linear';
  readonly warmupRatio: number;
  readonly finalLearningRateRatio: number;
}

/** Learning rate of step 1..steps: linear warm-up to the peak, then constant, or down to `finalLearningRateRatio` of it. */
export function learningRateAt(
  { learningRate, schedule, warmupRatio, finalLearningRateRatio: end }: ScheduleOptions,
  step: number,
  steps: number,
): number {
  const warmup = Math.ceil(steps * warmupRatio);
  if (step <= warmup) return (learningRate * step) / warmup;
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  switch (schedule) {
    case 'constant':
      return learningRate;
    case 'linear':
      return learningRate * (1 - (1 - end) * progress);
    case 'constant-then-linear':
      return step <= steps / 2 ? learningRate : learningRate * (1 - (1 - end) * ((2 * step) / steps - 1));
    case 'cosine':
      return learningRate * (end + (1 - end) * 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
