import { runConfigSchema, type JobProgress, type StageKind } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import {
  runProgress,
  runSecondsLeft,
  stageProgress,
  stageSecondsLeft,
  type Pace,
  type PacedStage,
} from './progress.ts';

const PACE: Pace = { secondsPerChunk: null, running: 0, itemsDone: 0, seconds: 0, jobs: [], earlier: null };

function stage(label: string, items: number | null, state: PacedStage['state'], pace: Partial<Pace> = {}): PacedStage {
  return {
    digest: label,
    kind: label.split(' ')[0] as StageKind,
    label,
    spec: {} as PacedStage['spec'],
    state,
    chunks: 4,
    chunksDone: state === 'done' ? 4 : 1,
    items,
    revivals: 0,
    result: null,
    startedAt: null,
    finishedAt: null,
    pace: { ...PACE, ...pace },
  };
}

const job = (seconds: number, progress: JobProgress | null) => ({ seconds, progress });

describe('a stage', () => {
  it('counts what is done of the jobs that workers are at, but not what comes before their items', () => {
    const jobs = [
      job(10, { phase: 'evaluating', done: 40, total: 250 }),
      job(10, { phase: 'composing', done: 100, total: 250 }),
    ];
    const evaluating = stage('evaluate base 8', 1000, 'running', { itemsDone: 250, seconds: 70, jobs });
    expect(stageProgress(evaluating)).toEqual({
      done: 290,
      total: 1000,
      fraction: 0.29,
      unit: 'questions',
      phase: 'evaluating',
    });
    // 90 seconds of two workers for 290: 710 left, of which each does a half.
    expect(stageSecondsLeft(evaluating)).toBeCloseTo(((90 / 290) * 710) / 2, 9);
  });

  it('says what is done, whole and in chunks where it is older than the record of items', () => {
    expect(stageProgress(stage('align 0', 12, 'done'))).toEqual({
      done: 12,
      total: 12,
      fraction: 1,
      unit: 'pairs',
      phase: null,
    });
    expect(stageSecondsLeft(stage('align 0', 12, 'done'))).toBeNull();
    const old = stage('sample', null, 'running', { secondsPerChunk: 5, running: 3 });
    expect(stageProgress(old)).toMatchObject({ done: 1, total: 4, unit: 'chunks' });
    expect(stageSecondsLeft(old)).toBe(5);
  });

  it('that has done nothing goes as stages like it went before; without one nobody knows', () => {
    const jobs = [job(30, { phase: 'loading', done: 0, total: 250 })];
    const loading = stage('sample', 500, 'running', { jobs });
    expect(stageProgress(loading)).toMatchObject({ done: 0, phase: 'loading' });
    expect(stageSecondsLeft(loading)).toBeNull();
    expect(stageSecondsLeft(stage('sample', 500, 'running', { jobs, earlier: { items: 1000, seconds: 400 } }))).toBe(
      200,
    );
    expect(stageSecondsLeft(stage('sample', 500, 'pending', { earlier: { items: 0, seconds: 0 } }))).toBeNull();
  });

  it('whose first item came late goes by stages like it too, until a quarter is done', () => {
    const earlier = { items: 24, seconds: 24 };
    const evaluating = (done: number, seconds: number): number | null =>
      stageSecondsLeft(
        stage('evaluate 1 8', 24, 'running', {
          jobs: [job(seconds, { phase: 'evaluating', done, total: 24 })],
          earlier,
        }),
      );
    // 35 seconds for 6: one of them here, five as before.
    expect(evaluating(1, 30)).toBeCloseTo((35 / 6) * 23, 9);
    expect(evaluating(6, 12)).toBe(36);
    expect(evaluating(12, 12)).toBe(12);
  });
});

describe('a run', () => {
  const config = runConfigSchema.parse({
    name: 'a run',
    model: 'm',
    dataset: 'd',
    contexts: { long: { documents: 8 } },
    training: { stepsPerSlice: 10 },
    evaluation: { dataset: 'e', documents: [4, 8] },
  });
  const run = { state: 'running' as const, steps: 20, config };
  const bases = [
    stage('evaluate base 4', 100, 'done', { itemsDone: 100, seconds: 50 }),
    stage('evaluate base 8', 100, 'done', { itemsDone: 100, seconds: 100 }),
  ];
  const training = stage('train', 20, 'running', { itemsDone: 10, seconds: 200 });
  const aligned = stage('align 0', 8, 'done', { itemsDone: 8, seconds: 30 });

  it('knows its progress in stages once its steps are planned: alignments and last evaluations are still to come', () => {
    expect(runProgress({ ...run, steps: null }, bases)).toBeNull();
    const stages = [stage('compose', 5, 'done'), ...bases, training, aligned];
    expect(runProgress(run, stages)).toEqual({ done: 4.5, total: 9, fraction: 0.5 });
  });

  it('ends when it is trained, evaluated as the base was, and aligned', () => {
    // 200 seconds of training, then 150 of evaluation, beside which 60 of alignment are over.
    expect(runSecondsLeft(run, [...bases, training, aligned])).toBe(350);
    const slow = stage('align 0', 8, 'done', { itemsDone: 8, seconds: 300 });
    expect(runSecondsLeft(run, [...bases, training, slow])).toBe(600);
    const finals = [
      stage('evaluate 20 4', 100, 'running', { itemsDone: 50, seconds: 30 }),
      stage('evaluate 20 8', 100, 'done'),
    ];
    const all = [0, 10, 20].map((step) => stage(`align ${step}`, 8, 'done'));
    expect(runSecondsLeft(run, [...bases, stage('train', 20, 'done'), ...all, ...finals])).toBe(30);
  });

  it('does not know its end while a part of it is unknown', () => {
    expect(runSecondsLeft(run, [...bases, stage('train', 20, 'running'), aligned])).toBeNull();
    expect(runSecondsLeft(run, [...bases, training])).toBeNull();
    expect(runSecondsLeft(run, bases)).toBeNull();
    expect(runSecondsLeft({ ...run, state: 'failed' }, [...bases, training, aligned])).toBeNull();
  });
});
