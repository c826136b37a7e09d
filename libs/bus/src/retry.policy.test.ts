import { describe, expect, it } from 'vitest';
import { retryDelayMs } from './retry.policy.ts';

describe('the retry policy', () => {
  it('doubles the delay with each delivery, with jitter, up to five minutes', () => {
    const middle = () => 0.5;
    expect([1, 2, 3, 4].map((attempt) => retryDelayMs(1000, attempt, middle))).toEqual([1000, 2000, 4000, 8000]);
    expect([0, 0.999999].map((random) => retryDelayMs(1000, 1, () => random))).toEqual([750, 1250]);
    expect(retryDelayMs(1000, 40, middle)).toBe(300_000);
  });
});
