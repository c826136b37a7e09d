import { describe, expect, it } from 'vitest';
import { chaos } from './chaos.ts';
import { FAULT_KINDS, planFaults } from './plan.ts';
import { describeReport } from './report.ts';

const [SEED, FAULTS, MINUTES] = [1, 20, 0.6];

describe('chaos', () => {
  it('of a seed is the same faults at the same times, and of another seed others', () => {
    const faults = planFaults(SEED, FAULTS, MINUTES);
    expect(planFaults(SEED, FAULTS, MINUTES)).toEqual(faults);
    expect(planFaults(SEED + 1, FAULTS, MINUTES)).not.toEqual(faults);
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
    const times = faults.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(1.5 * MINUTES * 60_000);
  });

  it('20 faults while runs go on change nothing: the same rows and parameters, no work twice, nothing left over', async () => {
    const report = await chaos({ seed: SEED, faults: FAULTS, minutes: MINUTES });
    expect(report.ok, describeReport(report)).toBe(true);
    expect(report.checks.length).toBeGreaterThan(8);
    // What this machine has not is skipped: a disk of its own, a clock.
    expect(report.faults.filter(({ isSkipped }) => !isSkipped).length).toBeGreaterThan(FAULTS / 2);
  }, 600_000);
});
