import { describe, expect, it } from 'vitest';
import { decideScale, type WorkerView } from './scale.policy.ts';

const scales = {
  datagen: { min: 0, max: 2, idleMs: 1000 },
  reward: { min: 0, max: 1, idleMs: 1000 },
  trainer: { min: 0, max: 1, idleMs: 1000 },
} as const;

const NOW = 50_000;
const datagen = (n: number, idleMs = 0): WorkerView => ({ id: `datagen-${n}`, app: 'datagen', busyAt: NOW - idleMs });

describe('decideScale', () => {
  it('does nothing without work', () => {
    expect(decideScale({}, [], scales, NOW)).toEqual({ start: [], stop: [] });
  });

  it('starts one worker on the first job, and a second one only for a second job', () => {
    expect(decideScale({ datagen: 1, trainer: 1 }, [], scales, NOW).start).toEqual(['datagen', 'trainer']);
    expect(decideScale({ datagen: 1 }, [datagen(1)], scales, NOW).start).toEqual([]);
    expect(decideScale({ datagen: 2 }, [datagen(1)], scales, NOW).start).toEqual(['datagen']);
  });

  it('stays within the bounds', () => {
    expect(decideScale({ datagen: 90, reward: 90 }, [], scales, NOW).start).toEqual(['datagen', 'datagen', 'reward']);
    const kept = { ...scales, reward: { min: 1, max: 1, idleMs: 1000 } };
    expect(decideScale({}, [], kept, NOW).start).toEqual(['reward']);
    const old: WorkerView = { id: 'reward-1', app: 'reward', busyAt: 0 };
    expect(decideScale({}, [old], kept, NOW).stop).toEqual([]);
  });

  it('stops a worker only after the app had no job for its idle time', () => {
    expect(decideScale({}, [datagen(1, 999)], scales, NOW).stop).toEqual([]);
    expect(decideScale({}, [datagen(1, 1000), datagen(2, 1000)], scales, NOW).stop).toEqual(['datagen-1', 'datagen-2']);
    expect(decideScale({ datagen: 1 }, [datagen(1, 5000), datagen(2, 5000)], scales, NOW).stop).toEqual([]);
  });
});
