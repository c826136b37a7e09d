import { expect, test } from 'vitest';
import { StepCounter } from './step-counter.ts';

test('counts tokens on from where the slice before ended, and epochs as parts of one', () => {
  const counter = new StepCounter({ tokens: 1000, stepsPerEpoch: 8 });
  expect([5, 6].map((step) => counter.count({ step, metrics: { loss: 1 / step }, policyTokens: 10 * step }))).toEqual([
    { loss: 1 / 5, epoch: 5 / 8, num_tokens: 1050 },
    { loss: 1 / 6, epoch: 6 / 8, num_tokens: 1110 },
  ]);
});
