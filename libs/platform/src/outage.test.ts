import { SolopoError } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { isOutage } from './outage.ts';

describe('an outage', () => {
  it('is told from a fault of the work', () => {
    const system = (code: string) => Object.assign(new Error('system'), { code });
    for (const code of ['ECONNREFUSED', 'ECONNRESET', '57P01', '57P03', '08006', '53300', '25006', '53100'])
      expect(isOutage(system(code))).toBe(true);
    for (const message of [
      'Connection terminated unexpectedly',
      'timeout exceeded when trying to connect',
      'Client has encountered a connection error and is not queryable',
    ])
      expect(isOutage(new Error(message))).toBe(true);
    expect(isOutage(new SolopoError('not-ready', 'Wait.'))).toBe(true);
    expect(isOutage(new SolopoError('store-full', 'Make room.'))).toBe(true);
    expect(isOutage(new SolopoError('cache-full', 'Raise its size.'))).toBe(false);
    expect(isOutage(new SolopoError('internal', 'Look.', { cause: system('ECONNREFUSED') }))).toBe(true);
    expect(isOutage(new AggregateError([system('ECONNREFUSED')]))).toBe(true);
    for (const code of ['23505', '40P01', 'ENOENT']) expect(isOutage(system(code))).toBe(false);
    expect(isOutage(new SolopoError('loss-not-finite', 'Lower the learning rate.'))).toBe(false);
    expect(isOutage('a string')).toBe(false);
  });
});
