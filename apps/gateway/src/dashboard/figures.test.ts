import type { EvaluationView, RunView, StageView } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';

interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

interface AccuracyModule {
  wilson(correct: number, n: number): Interval;
  accuracyByLength(views: readonly Partial<EvaluationView>[]): readonly {
    readonly documents: number;
    readonly base: Interval | null;
    readonly policy: Interval | null;
    readonly difference: { readonly difference: number; readonly low: number; readonly separated: boolean } | null;
  }[];
}

interface ProgressModule {
  busySeconds(stages: readonly Partial<StageView>[], now: number): number;
  secondsLeft(run: Partial<RunView>, stages: readonly Partial<StageView>[], now: number): number | null;
  runSecondsLeft(run: Partial<RunView>, now: number): number | null;
}

interface SeriesModule {
  readonly Series: new () => {
    readonly steps: readonly number[];
    column(name: string): readonly (number | null)[];
    put(step: number, metrics: Readonly<Record<string, number>>): boolean;
  };
}

interface FormatModule {
  duration(seconds: number | null): string;
  rate(perSecond: number | null, unit: string): string;
  points(share: number): string;
  metric(value: number | null): string;
}

/** The page's own modules: plain JavaScript without types. */
async function load<T>(file: string): Promise<T> {
  return (await import(new URL(`../../web/${file}`, import.meta.url).href)) as T;
}

const { wilson, accuracyByLength } = await load<AccuracyModule>('model/accuracy.js');
const { busySeconds, secondsLeft, runSecondsLeft } = await load<ProgressModule>('model/progress.js');
const { Series } = await load<SeriesModule>('model/series.js');
const { duration, rate, points, metric } = await load<FormatModule>('format.js');

const at = (second: number): string => new Date(second * 1000).toISOString();
const stage = (label: string, more: Partial<StageView>): Partial<StageView> => ({
  label,
  kind: label.split(' ')[0] ?? '',
  state: 'running',
  startedAt: at(0),
  finishedAt: null,
  result: null,
  ...more,
});

describe('accuracy', () => {
  // Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [0, 20, 0, 0.1611],
    [20, 20, 0.8389, 1],
  ])('of %i of %i has the published interval', (correct, n, low, high) => {
    const interval = wilson(correct, n);
    expect([interval.low, interval.high]).toEqual([expect.closeTo(low, 4), expect.closeTo(high, 4)]);
  });

  it('compares the base with the last policy version, question by question', () => {
    const view = (step: number | 'base', outcomes: string) => {
      const correct = outcomes.replaceAll('0', '').length;
      return { step, documents: 8, tokens: 100, n: outcomes.length, correct, outcomes };
    };
    const [base, policy] = ['0'.repeat(20), `${'1'.repeat(8)}${'0'.repeat(12)}`];
    const [row] = accuracyByLength([view('base', base), view(2, base), view(4, policy)]);
    expect(row).toMatchObject({ documents: 8, base: { mean: 0 }, policy: { mean: 0.4 } });
    // b = 8, c = 0: p = 9/22, q = 1/22, p - q = 0.363636, half width 1.959964 * 0.121027 = 0.237209.
    expect(row?.difference).toMatchObject({
      difference: 0.4,
      low: expect.closeTo(0.126427, 4) as number,
      separated: true,
    });
  });
});

describe('time', () => {
  it('in which stages work side by side counts once', () => {
    const stages = [
      stage('align 0', { startedAt: at(0), finishedAt: at(10) }),
      stage('align 2', { startedAt: at(5), finishedAt: at(12) }),
      stage('align 4', { startedAt: at(20), finishedAt: null }),
      stage('align 6', { startedAt: null }),
    ];
    expect(busySeconds(stages, 23_000)).toBe(15);
  });

  it('left follows from the chunks done, and in training from the steps', () => {
    const sampling = [stage('sample', { chunks: 8, chunksDone: 2 })];
    expect(secondsLeft({ steps: null }, sampling, 10_000)).toBe(30);
    expect(secondsLeft({ steps: null }, [stage('sample', { chunks: 8, chunksDone: 0 })], 10_000)).toBeNull();
    const training = [stage('train', { chunks: 4, chunksDone: 0 })];
    expect(secondsLeft({ step: 5, steps: 20 }, training, 10_000)).toBe(30);
  });

  it('left of a run has the evaluation still to come', () => {
    const base = stage('evaluate base 8', { state: 'done', chunks: 1, chunksDone: 1, finishedAt: at(4) });
    const train = stage('train', { chunks: 2, chunksDone: 1, startedAt: at(10) });
    const run = { step: 5, steps: 10, trainSeconds: 0 };
    expect(runSecondsLeft({ ...run, stages: [base] as StageView[] }, 20_000)).toBeNull();
    expect(runSecondsLeft({ ...run, stages: [base, train] as StageView[] }, 20_000)).toBe(14);
  });
});

describe('a series', () => {
  it('takes steps in any order, again, and with metrics that come later', () => {
    const series = new Series();
    series.put(1, { loss: 3 });
    series.put(3, { loss: 1, gap: 5 });
    series.put(2, { loss: 2 });
    expect(series.put(3, { loss: 1, gap: 5 })).toBe(false);
    expect(series.put(3, { loss: 1.5 })).toBe(true);
    expect(series.steps).toEqual([1, 2, 3]);
    expect(series.column('loss')).toEqual([3, 2, 1.5]);
    expect(series.column('gap')).toEqual([null, null, 5]);
  });
});

describe('figures', () => {
  it('read well', () => {
    expect([0.2, 7.25, 59.6, 125, 3725, 200_000, null].map(duration)).toEqual([
      '< 1 s',
      '7.3 s',
      '1 min',
      '2 min 5 s',
      '1 h 2 min',
      '2 d 7 h',
      '–',
    ]);
    expect([2345, 2.5, 0.1, 0.01, 0, null].map((value) => rate(value, 'steps'))).toEqual([
      '2.35K steps/s',
      '2.5 steps/s',
      '6 steps/min',
      '36 steps/h',
      '–',
      '–',
    ]);
    expect([0.051, -0.051, 0.0001, -0.0001].map(points)).toEqual(['+5.1', '−5.1', '0.0', '0.0']);
    expect([0.69314718, -12.345, 5e-5, 0, null].map(metric)).toEqual(['0.6931', '−12.35', '5.00e−5', '0.0000', '–']);
  });
});
