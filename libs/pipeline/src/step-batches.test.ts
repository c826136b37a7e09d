import { expect, test } from 'vitest';
import { stepBatches } from './step-batches.ts';

const training = { pairsPerStep: 16 };

test('an epoch takes every pair at most once, in an order of its own', () => {
  const [first, second, third, fourth] = stepBatches(training, { seed: 7, pairs: 32, from: 0, to: 4 }).map((batch) => [
    ...batch,
  ]);
  const all = Array.from({ length: 32 }, (_, i) => i);
  expect([...first!, ...second!].sort((a, b) => a - b)).toEqual(all);
  expect([...third!, ...fourth!].sort((a, b) => a - b)).toEqual(all);
  expect(third).not.toEqual(first);
  expect(stepBatches(training, { seed: 8, pairs: 32, from: 0, to: 1 })[0]).not.toEqual(first);
});

test('slices join to what one slice would do', () => {
  const run = { seed: 3, pairs: 50 };
  const whole = stepBatches(training, { ...run, from: 0, to: 7 });
  expect([
    ...stepBatches(training, { ...run, from: 0, to: 2 }),
    ...stepBatches(training, { ...run, from: 2, to: 7 }),
  ]).toEqual(whole);
  expect(new Set(whole.slice(0, 3).flat()).size).toBe(48);
});

test('fewer pairs than a batch make one partial batch a step', () => {
  expect(stepBatches(training, { seed: 1, pairs: 5, from: 0, to: 2 }).map((batch) => batch.length)).toEqual([5, 5]);
});
