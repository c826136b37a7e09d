import { SolopoError } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { isOutage, retryDelayMs } from './retry.policy.ts';

describe('the retry policy', () => {
  it('doubles the delay with each delivery, with jitter, up to five minutes', () => {
    const middle = () => 0.5;
    expect([1, 2, 3, 4].map((attempt) => retryDelayMs(1000, attempt, middle))).toEqual([1000, 2000, 4000, 8000]);
    expect([0, 0.999999].map((random) => retryDelayMs(1000, 1, () => random))).toEqual([750, 1250]);
    expect(retryDelayMs(1000, 40, middle)).toBe(300_000);
  });

  it('tells an outage from a fault of the job', () => {
    const system = (code: string) => Object.assign(new Error('system'), { code });
    for (const code of ['ECONNREFUSED', 'ECONNRESET', '57P01', '57P03', '08006', '53300'])
      expect(isOutage(system(code))).toBe(true);
    expect(isOutage(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(isOutage(new SolopoError('not-ready', 'Wait.'))).toBe(true);
    expect(isOutage(new SolopoError('internal', 'Look.', { cause: system('ECONNREFUSED') }))).toBe(true);
    expect(isOutage(new AggregateError([system('ECONNREFUSED')]))).toBe(true);
    for (const code of ['23505', '40P01', 'ENOENT']) expect(isOutage(system(code))).toBe(false);
    expect(isOutage(new SolopoError('loss-not-finite', 'Lower the learning rate.'))).toBe(false);
    expect(isOutage('a string')).toBe(false);
  });
});
