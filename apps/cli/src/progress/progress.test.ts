import { describe, expect, it } from 'vitest';
import { runOf, stageOf } from '../demo/run.fixture.ts';
import { ProgressLines } from './progress.lines.ts';
import { tally } from './tally.ts';

const totals = (runs: Parameters<typeof tally>[0]) =>
  Object.fromEntries(tally(runs).map(({ label, done, total }) => [label, [done, total]]));

describe('the tally', () => {
  const base = [stageOf('evaluate', 'base 4', 4, 4), stageOf('evaluate', 'base 16', 4, 1)];
  const compose = stageOf('compose', 'c', 6, 2);

  it('counts work that runs share once, and evaluations that are still to come', () => {
    const runs = [runOf('short', { stages: [compose, ...base] }), runOf('solo', { stages: [compose, ...base] })];
    expect(totals(runs)).toEqual({
      contexts: [2, 6],
      samples: [0, null],
      pairs: [0, null],
      'reference scores': [0, null],
      'train short': [0, null],
      'train solo': [0, null],
      alignment: [0, null],
      evaluation: [5, 24],
    });
  });

  it('knows the alignments once the steps are planned', () => {
    const stages = [stageOf('align', 'a0', 1, 1)];
    expect(totals([runOf('solo', { stages })]).alignment).toEqual([1, null]);
    expect(totals([runOf('solo', { stages, steps: 25, step: 10 })])).toMatchObject({
      alignment: [1, 4],
      'train solo': [10, 25],
    });
  });
});

describe('progress without a terminal', () => {
  it('says once what is finished, and each slice of steps', () => {
    const lines: string[] = [];
    const progress = new ProgressLines(
      (line) => lines.push(line),
      () => 12_400,
    );
    const running = runOf('solo', { stages: [stageOf('compose', 'c', 2, 1)] });
    const later = { ...running, stages: [stageOf('compose', 'c', 2, 2), stageOf('sample', 's', 3, 1)] };
    for (const run of [
      running,
      running,
      later,
      later,
      { ...later, step: 10, steps: 20 },
      { ...later, step: 20, steps: 20 },
    ])
      progress.show([run]);
    expect(lines).toEqual([
      '  12 s  contexts: done (2 jobs)',
      '  12 s  train solo: step 10 of 20',
      '  12 s  train solo: step 20 of 20',
    ]);
  });
});
