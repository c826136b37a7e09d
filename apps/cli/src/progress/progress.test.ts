import { describe, expect, it } from 'vitest';
import { runOf, stageOf } from '../demo/run.fixture.ts';
import { ProgressLines } from './progress.lines.ts';
import { tally } from './tally.ts';
import { leftText, timeText } from './time-left.ts';

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

  it('has a line of the whole run where there is one, and says what is going on', () => {
    const sampling = {
      ...stageOf('sample', 's', 2, 0),
      progress: { done: 120.5, total: 500, fraction: 0.241, unit: 'examples', phase: 'sampling' },
      etaSeconds: 170,
    };
    const run = runOf('solo', { stages: [sampling], progress: { done: 1.24, total: 9, fraction: 0.14 } });
    const lines = tally([run]);
    expect(lines.find(({ label }) => label === 'samples')).toEqual({
      label: 'samples',
      unit: 'examples',
      done: 120,
      total: 500,
      now: { phase: 'sampling', secondsLeft: 170 },
    });
    expect(lines.at(-1)).toEqual({
      label: 'whole run',
      unit: 'stages',
      done: 1,
      total: 9,
      now: { phase: null, secondsLeft: null },
    });
  });

  it('counts steps of the slice that is worked on', () => {
    const train = { ...stageOf('train', 't', 2, 0), progress: { ...stageOf('train', 't', 2, 0).progress, done: 7 } };
    expect(totals([runOf('solo', { stages: [train], steps: 20, step: 0 })])['train solo']).toEqual([7, 20]);
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
      '  12 s  contexts: done (2 chunks)',
      '  12 s  train solo: step 10 of 20',
      '  12 s  train solo: step 20 of 20',
    ]);
  });

  it('says now and then how far long work is, and that the time left is unknown where it is', () => {
    const lines: string[] = [];
    let now = 0;
    const progress = new ProgressLines(
      (line) => lines.push(line),
      () => now,
    );
    const sampling = (done: number, phase: string, etaSeconds: number | null) =>
      runOf('solo', {
        stages: [
          {
            ...stageOf('sample', 's', 2, 0),
            progress: { done, total: 500, fraction: done / 500, unit: 'examples', phase },
            etaSeconds,
          },
        ],
      });
    for (const [seconds, run] of [
      [0, sampling(0, 'loading', null)],
      [31, sampling(0, 'loading', null)],
      [45, sampling(80, 'sampling', 240)],
      [62, sampling(120, 'sampling', 175)],
    ] as const) {
      now = seconds * 1000;
      progress.show([run]);
    }
    expect(lines.filter((line) => line.includes('samples'))).toEqual([
      '  31 s  samples: 0 of 500 examples, loading, time left unknown',
      '  62 s  samples: 120 of 500 examples, 3 min left',
    ]);
  });
});

it('an estimate is told as exactly as it is', () => {
  expect([0.2, 59.1, 89, 150, 3600, 7500].map(timeText)).toEqual([
    '1 s',
    '1 min',
    '1 min',
    '3 min',
    '1 h',
    '2 h 5 min',
  ]);
  expect(leftText({ phase: 'scoring', secondsLeft: null })).toBe('time left unknown');
});
