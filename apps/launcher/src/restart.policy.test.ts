import { describe, expect, it } from 'vitest';
import { RestartPolicy } from './restart.policy.ts';

describe('RestartPolicy', () => {
  it('waits longer after each quick crash, half a minute at most, and tells of the fifth', () => {
    const policy = new RestartPolicy();
    const crashes = Array.from({ length: 10 }, () => policy.crashed(10, 0));
    expect(crashes.map(({ waitMs }) => waitMs)).toEqual([
      250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
    ]);
    expect(crashes.filter(({ isTelling }) => isTelling).map(({ quickCrashes }) => quickCrashes)).toEqual([5]);
  });

  it('forgets quick crashes after a long life', () => {
    const policy = new RestartPolicy();
    for (let n = 0; n < 4; n++) policy.crashed(10, 0);
    expect(policy.crashed(60_000, 0)).toEqual({ quickCrashes: 1, waitMs: 250, isTelling: false });
    expect(policy.waitMs(0)).toBe(250);
    expect(policy.waitMs(250)).toBe(0);
  });
});
