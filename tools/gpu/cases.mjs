// Options of the steps that are measured.
export const STEP = (microBatchTokens, steps = 10) => ({
  arm: 'solo',
  objective: { kind: 'dpo', beta: 0.1, loss: 'sigmoid', labelSmoothing: 0 },
  alignment: {
    alpha: 1,
    reference: 'shared',
    distance: 'absolute',
    sides: 'two',
    detach: 'none',
    deadZone: 0,
    fraction: 1,
  },
  optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
  schedule: { learningRate: 1e-4, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
  clipNorm: 1,
  microBatchTokens,
  steps,
});
