import { describe, expect, it } from 'vitest';
import { RestartPolicy } from './restart.policy.ts';

describe('RestartPolicy', () => {
  it('waits longer after each quick crash, and gives up at the fifth', () => {
    const policy = new RestartPolicy();
    const waits: number[] = [];
    for (let n = 0; n < 4; n++) {
      expect(policy.crashed(10, 0)).toBe(true);
      waits.push(policy.waitMs(0));
    }
    expect(waits).toEqual([250, 500, 1000, 2000]);
    expect(policy.crashed(10, 0)).toBe(false);
  });

  it('forgets quick crashes after a long life', () => {
    const policy = new RestartPolicy();
    for (let n = 0; n < 4; n++) policy.crashed(10, 0);
    expect(policy.crashed(60_000, 0)).toBe(true);
    expect(policy.waitMs(0)).toBe(250);
    expect(policy.waitMs(250)).toBe(0);
  });
});
