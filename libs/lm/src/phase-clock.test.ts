import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PhaseClock } from './phase-clock.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

it('gives every moment to one phase, and adds up what comes back to it', () => {
  const clock = new PhaseClock<'forward' | 'backward'>();
  vi.advanceTimersByTime(500);
  clock.lap('forward');
  vi.advanceTimersByTime(2000);
  clock.lap('backward');
  vi.advanceTimersByTime(250);
  clock.lap('forward');
  expect(clock.seconds).toEqual({ forward: 0.75, backward: 2 });
});
