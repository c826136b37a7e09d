import type { EvaluationView, EvidencePlaces, RunView, StageView } from '@solopo/contracts';
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
  secondsLeft(stages: readonly Partial<StageView>[]): number | null;
  progressOf(run: Partial<RunView>, stages: readonly Partial<StageView>[]): object;
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

type Column = readonly (number | null)[];
type Axis = readonly [number, number];

interface DownsampleModule {
  downsample(
    xs: readonly number[],
    columns: readonly Column[],
    options: { readonly from?: number; readonly to?: number; readonly limit: number },
  ): { readonly xs: readonly number[]; readonly columns: readonly Column[] };
}

interface StackModule {
  stack(columns: readonly Column[]): readonly Column[];
}

interface ViewRangeModule {
  readonly ViewRange: new () => {
    of(low: number, high: number): Axis;
    set(range: Axis, whole: Axis): void;
    move(share: number, whole: Axis): void;
    zoom(factor: number, whole: Axis): void;
  };
}

interface HeatMapModule {
  heatMap(
    evaluations: readonly Partial<EvaluationView>[],
    evidence: readonly EvidencePlaces[],
  ): readonly {
    readonly documents: number;
    readonly cells: readonly {
      readonly before: (Interval & { readonly n: number }) | null;
      readonly after: (Interval & { readonly n: number }) | null;
      readonly difference: { readonly difference: number } | null;
    }[];
  }[];
}

/** The page's own modules: plain JavaScript without types. */
async function load<T>(file: string): Promise<T> {
  return (await import(new URL(`../../web/${file}`, import.meta.url).href)) as T;
}

const { wilson, accuracyByLength } = await load<AccuracyModule>('model/accuracy.js');
const { busySeconds, secondsLeft, progressOf } = await load<ProgressModule>('model/progress.js');
const { downsample } = await load<DownsampleModule>('model/downsample.js');
const { stack } = await load<StackModule>('model/stack.js');
const { ViewRange } = await load<ViewRangeModule>('model/view-range.js');
const { heatMap } = await load<HeatMapModule>('model/heat-map.js');
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

  it('left is that of all stages, and unknown where that of one is', () => {
    const done = stage('score training short', { state: 'done', etaSeconds: null });
    const [running, waiting] = [{ etaSeconds: 30 }, { state: 'pending' as const, etaSeconds: null }];
    expect(secondsLeft([done, stage('score training long', running)])).toBe(30);
    expect(
      secondsLeft([done, stage('score training long', running), stage('score held-out short', waiting)]),
    ).toBeNull();
    expect(secondsLeft([done])).toBe(0);
  });
});

describe('progress', () => {
  const progress = (done: number, total: number) => ({
    done,
    total,
    fraction: done / total,
    unit: 'pairs',
    phase: null,
  });

  it('counts items of the jobs that are worked on, and steps as soon as they are heard of', () => {
    const scores = [
      stage('score a', { progress: progress(250, 250) }),
      stage('score b', { progress: progress(31, 250) }),
    ];
    expect(progressOf({ steps: null }, scores)).toEqual({ done: 281, total: 500, unit: 'pairs' });
    const train = [stage('train', { progress: progress(7, 20) })];
    expect(progressOf({ step: 5, steps: 20 }, train)).toEqual({ done: 7, total: 20, unit: 'steps' });
    expect(progressOf({ step: 8, steps: 20 }, train)).toEqual({ done: 8, total: 20, unit: 'steps' });
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

describe('a stack', () => {
  it('has each column on those before it, and nothing where nothing was measured', () => {
    const [forward, backward] = [
      [1, null, 3, null],
      [2, 5, null, null],
    ];
    expect(stack([forward, backward])).toEqual([
      [1, 0, 3, null],
      [3, 5, 3, null],
    ]);
  });
});

describe('a long series', () => {
  const count = 50_000;
  const xs = Array.from({ length: count }, (_, i) => i + 1);
  const values = xs.map((x) => Math.sin(x / 900));
  values[31_415] = 9;
  values[27_182] = -9;

  it('is drawn at no more places than asked for, and loses no peak', () => {
    const drawn = downsample(xs, [values, xs.map(() => null)], { limit: 2000 });
    expect(drawn.xs.length).toBeLessThanOrEqual(2000);
    expect(drawn.xs).toEqual([...drawn.xs].sort((a, b) => a - b));
    expect(drawn.columns.map((column) => column.length)).toEqual([drawn.xs.length, drawn.xs.length]);
    expect(drawn.columns[0]).toContain(9);
    expect(drawn.columns[0]).toContain(-9);
    expect(new Set(drawn.columns[1])).toEqual(new Set([null]));
    expect([drawn.xs[0], drawn.xs.at(-1)]).toEqual([1, count]);
  });

  it('is drawn as it is where the part that is shown has room', () => {
    const drawn = downsample(xs, [values], { from: 31_000, to: 31_500, limit: 2000 });
    expect([drawn.xs[0], drawn.xs.at(-1), drawn.xs.length]).toEqual([30_999, 31_501, 503]);
    expect(drawn.columns[0]).toEqual(values.slice(30_998, 31_501));
  });

  it('is moved and narrowed without leaving its ends', () => {
    const whole: Axis = [1, 1001];
    const view = new ViewRange();
    view.zoom(0.5, whole);
    expect(view.of(...whole)).toEqual([251, 751]);
    view.move(1, whole);
    expect(view.of(...whole)).toEqual([501, 1001]);
    view.move(-9, whole);
    expect(view.of(...whole)).toEqual([1, 501]);
    view.zoom(4, whole);
    expect(view.of(...whole)).toEqual(whole);
  });
});

describe('a heat map', () => {
  it('sorts the outcomes by place of the evidence, before and after', () => {
    const places = [0, 0.19, 0.2, 0.5, 0.99, 1];
    const view = (step: number | 'base', outcomes: string) => ({ step, documents: 8, outcomes });
    const [row] = heatMap([view('base', '010010'), view(2, '000000'), view(4, '110111')], [{ documents: 8, places }]);
    expect(row?.documents).toBe(8);
    expect(row?.cells.map(({ before, after }) => [before?.mean, after?.mean, before?.n])).toEqual([
      [0.5, 1, 2],
      [0, 0, 1],
      [0, 1, 1],
      [undefined, undefined, undefined],
      [0.5, 1, 2],
    ]);
    expect(row?.cells[0]?.difference?.difference).toBe(0.5);
    expect(heatMap([view('base', '01')], [{ documents: 8, places }])).toEqual([]);
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
