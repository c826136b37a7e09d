import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SlicePhases } from './slice-phases.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

it('counts what a slice prepares as its first step, and its checkpoint as its last', () => {
  const phases = new SlicePhases({ from: 4, to: 6 });
  const pass = (ms: number, phase: Parameters<SlicePhases['lap']>[0]) => {
    vi.advanceTimersByTime(ms);
    phases.lap(phase);
  };
  pass(500, 'data');
  pass(250, 'reference');
  const first = { step: 5, phaseSeconds: { data: 1, forward: 2, load: 3 } };
  expect(phases.of(first)).toEqual({ data: 1.5, reference: 0.25, forward: 2, load: 3 });
  pass(9000, 'steps');
  const last = { step: 6, phaseSeconds: { forward: 2, checkpoint: 1 } };
  expect(phases.of(last)).toEqual(last.phaseSeconds);
  pass(750, 'checkpoint');
  expect(phases.of(last)).toEqual({ forward: 2, checkpoint: 1.75 });
  expect(phases.of(first)).toEqual({ data: 1.5, reference: 0.25, forward: 2, load: 3 });
});
