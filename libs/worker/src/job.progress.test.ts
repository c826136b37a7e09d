import type { JobContext } from '@solopo/bus';
import type { JobProgress } from '@solopo/contracts';
import type { Progress, TakenStep } from '@solopo/engine';
import { expect, it } from 'vitest';
import { tellJob, type ToldWork } from './job.progress.ts';

function told(work: ToldWork, progress: readonly Progress[]): JobProgress[] {
  const all: JobProgress[] = [];
  const context = { advanced: (one: JobProgress) => Promise.resolve(void all.push(one)) } as unknown as JobContext;
  const tell = tellJob(context, work);
  for (const one of progress) tell(one);
  return all;
}

it('is loading until the engine begins, and then counts items, of which some took no work', () => {
  const indices = [0, 3, 4];
  const itemsAt = (count: number) => indices[count] ?? 10;
  const all = told({ kind: 'evaluate', total: 10, itemsAt }, [
    { kind: 'loading' },
    { kind: 'done', count: 0 },
    { kind: 'done', count: 1 },
    { kind: 'done', count: 3 },
  ]);
  expect(all).toEqual([
    { phase: 'loading', done: 0, total: 10, unit: 'questions' },
    { phase: 'loading' },
    ...[0, 3, 10].map((done) => ({ phase: 'evaluating', done, total: 10, unit: 'questions' })),
  ]);
});

it('counts the steps of a slice', () => {
  const step = { kind: 'step', step: {} as TakenStep } as const;
  const all = told({ kind: 'train', total: 2 }, [{ kind: 'loading' }, { kind: 'done', count: 0 }, step, step]);
  expect(all.slice(2)).toEqual([0, 1, 2].map((done) => ({ phase: 'training', done, total: 2, unit: 'steps' })));
});
