import { describe, expect, test } from 'vitest';
import {
  log1mexp,
  longLossBound,
  MAX_MEAN_LOGP,
  meanMetrics,
  pairTerm,
  promptRead,
  referenceRowsRead,
  ROWS,
  rowsRead,
  type AlignmentOptions,
  type Arm,
  type Objective,
  type ObjectiveOptions,
  type Prompt,
  type Row,
  type Rows,
} from './index.ts';

const dpo: Objective = { kind: 'dpo', beta: 0.5, loss: 'sigmoid', labelSmoothing: 0 };
const simpo: Objective = { kind: 'simpo', beta: 2.5, gamma: 1 };
const orpo: Objective = { kind: 'orpo', beta: 0.1, nllWeight: 1, nll: 'response' };
const OBJECTIVES: readonly (readonly [name: string, objective: Objective])[] = [
  ['dpo', dpo],
  ['dpo, smoothed labels', { ...dpo, labelSmoothing: 0.2 }],
  ['ipo', { ...dpo, loss: 'ipo' }],
  ['hinge', { ...dpo, beta: 0.3, loss: 'hinge' }],
  ['simpo', simpo],
  ['orpo', orpo],
  ['orpo with the prompt', { ...orpo, beta: 0.4, nllWeight: 0.7, nll: 'all' }],
];
const PREFERENCE_ARMS: readonly Arm[] = ['short', 'long', 'expand-long', 'solo', 'solo-both'];
const SFT = (['short', 'long'] as const).map((context): ObjectiveOptions =>
  options({ arm: 'sft', objective: { kind: 'sft', context } }),
);

const rows: Rows = {
  shortPrompt: { policy: -22, tokens: 9 },
  longPrompt: { policy: -70, tokens: 31 },
  shortChosen: { policy: -2.1, reference: -3, tokens: 3 },
  shortRejected: { policy: -4.2, reference: -3.5, tokens: 4 },
  longChosen: { policy: -5.3, reference: -6.1, tokens: 3 },
  longRejected: { policy: -6.4, reference: -5.9, tokens: 4 },
};

function options({
  arm = 'solo',
  objective = dpo,
  ...alignment
}: { arm?: Arm; objective?: Objective } & Partial<AlignmentOptions> = {}): ObjectiveOptions {
  return {
    arm,
    objective,
    alignment: {
      alpha: 1.5,
      reference: 'shared',
      distance: 'absolute',
      sides: 'two',
      detach: 'none',
      deadZone: 1e-5,
      fraction: 1,
      ...alignment,
    },
  };
}

const moved = (given: Rows, row: Row | Prompt, by: number): Rows => ({
  ...given,
  [row]: { ...given[row]!, policy: given[row]!.policy + by },
});
/** A stream of numbers in (0, 1). */
function* draws(): Generator<number> {
  for (let i = 1; ; i++) yield Math.abs((Math.sin(i * 12.9898) * 43758.5453) % 1);
}

describe('DPO', () => {
  test('at the start (policy = reference) the loss is ln 2, every reward 0, and the alignment silent', () => {
    const start = Object.fromEntries(
      ROWS.map((row) => [row, { ...rows[row]!, policy: rows[row]!.reference as number }]),
    );
    for (const arm of PREFERENCE_ARMS) {
      const { loss, metrics } = pairTerm(options({ arm, reference: 'per-context' }), start);
      expect(loss).toBeCloseTo(Math.LN2, 12);
      expect(metrics['rewards/chosen']).toBe(0);
      expect(metrics['rewards/rejected']).toBe(0);
    }
  });

  test('matches values worked out by hand', () => {
    const loss = (objective: Objective) => pairTerm(options({ arm: 'short', objective }), rows).loss;
    // m = 0.5 * ((-2.1 + 3) - (-4.2 + 3.5)) = 0.8;  -log sigmoid(0.8) = 0.3711006659, -log sigmoid(-0.8) = 1.1711006659
    expect(loss(dpo)).toBeCloseTo(0.3711006659, 9);
    expect(loss({ ...dpo, labelSmoothing: 0.25 })).toBeCloseTo(0.75 * 0.3711006659 + 0.25 * 1.1711006659, 9);
    expect(loss({ ...dpo, loss: 'hinge' })).toBeCloseTo(0.2, 12);
    // Means over the tokens: (0.9 / 3 + 0.7 / 4 - 1 / (2 * 0.5))^2
    expect(loss({ ...dpo, loss: 'ipo' })).toBeCloseTo((0.3 + 0.175 - 1) ** 2, 12);
  });

  test('extreme margins stay finite', () => {
    const far = { ...rows, shortRejected: { policy: 5000, reference: 0, tokens: 4 } };
    const { loss, gradients } = pairTerm(options({ arm: 'short' }), far);
    expect(loss).toBeCloseTo(0.5 * (5000 - 0.9), 6);
    expect(gradients.shortChosen).toBeCloseTo(-0.5, 12);
  });
});

describe('SimPO', () => {
  test('matches a value worked out by hand, and prints means', () => {
    const { loss, metrics } = pairTerm(options({ arm: 'short', objective: simpo }), rows);
    // 2.5 * (-2.1 / 3 + 4.2 / 4) - 1 = -0.125;  log(1 + e^0.125) = 0.7575990353
    expect(loss).toBeCloseTo(0.7575990353, 9);
    expect(metrics['logps/chosen']).toBeCloseTo(-0.7, 12);
    expect(metrics['rewards/margins']).toBeCloseTo(0.875, 12);
  });
});

describe('ORPO', () => {
  test('matches a value worked out by hand', () => {
    const { loss, metrics } = pairTerm(options({ arm: 'short', objective: orpo }), rows);
    const [w, l] = [Math.exp(-0.7), Math.exp(-1.05)];
    const logOdds = Math.log(w / (1 - w)) - Math.log(l / (1 - l));
    expect(metrics.log_odds_chosen).toBeCloseTo(logOdds, 12);
    expect(metrics.log_odds_ratio).toBeCloseTo(-Math.log1p(Math.exp(-logOdds)), 12);
    expect(metrics.nll_loss).toBeCloseTo(0.7, 12);
    expect(loss).toBeCloseTo(0.7 + 0.1 * Math.log1p(Math.exp(-logOdds)), 12);
    expect(metrics['rewards/chosen']).toBeCloseTo(0.1 * -0.7, 12);
  });

  test("with nll 'all' the likelihood counts the prompt's tokens", () => {
    const { metrics, gradients } = pairTerm(options({ arm: 'long', objective: { ...orpo, nll: 'all' } }), rows);
    expect(metrics.nll_loss).toBeCloseTo((70 + 5.3) / 34, 12);
    expect(gradients.longPrompt).toBeCloseTo(-1 / 34, 12);
  });

  test.each([-1e-3, -1e-5, -1e-8, -1e-300, 0])(
    'stays finite where the answer is sure: mean log-probability %d',
    (mean) => {
      const sure = { policy: 3 * mean, tokens: 3 };
      for (const given of [
        { ...rows, shortChosen: sure },
        { ...rows, shortRejected: sure },
        { ...rows, longChosen: sure },
        { shortChosen: sure, shortRejected: sure, longChosen: sure, longRejected: sure },
      ]) {
        const { loss, gradients, metrics } = pairTerm(options({ arm: 'solo-both', objective: orpo }), given);
        for (const value of [loss, ...Object.values(gradients), ...Object.values(metrics)])
          expect(Number.isFinite(value)).toBe(true);
        for (const slope of Object.values(gradients)) expect(Math.abs(slope)).toBeLessThan(-2 / MAX_MEAN_LOGP);
      }
    },
  );

  test('log(1 - exp x) keeps its digits at both ends', () => {
    expect(log1mexp(-1e-20)).toBeCloseTo(Math.log(1e-20), 12);
    expect(log1mexp(-50)).toBe(-Math.exp(-50));
    expect(log1mexp(-Math.LN2)).toBeCloseTo(-Math.LN2, 14);
  });
});

describe('SFT', () => {
  test.each(SFT)('on the $objective.context context is the mean negative log-likelihood', (config) => {
    const row = rowsRead(config)[0] as Row;
    const { loss, gradients, metrics } = pairTerm(config, rows);
    expect(loss).toBeCloseTo(-rows[row]!.policy / 3, 12);
    expect(gradients).toEqual({ [row]: -1 / 3 });
    expect(metrics.nll_loss).toBe(loss);
  });
});

describe('alignment', () => {
  test.each(OBJECTIVES)('with x_long = x_short and alpha > 0 every arm is plain %s', (_, objective) => {
    const same = {
      ...rows,
      longPrompt: rows.shortPrompt!,
      longChosen: rows.shortChosen!,
      longRejected: rows.shortRejected!,
    };
    const plain = pairTerm(options({ arm: 'short', objective }), same);
    for (const arm of PREFERENCE_ARMS)
      for (const distance of ['absolute', 'squared', 'smooth-l1'] as const) {
        const other = pairTerm(options({ arm, objective, distance, alpha: 3 }), same);
        expect(other.loss).toBe(plain.loss);
        for (const response of ['Chosen', 'Rejected', 'Prompt'] as const) {
          const sum = (other.gradients[`short${response}`] ?? 0) + (other.gradients[`long${response}`] ?? 0);
          expect(sum).toBe(plain.gradients[`short${response}`] ?? 0);
        }
      }
  });

  test("takes each objective's own reward", () => {
    const gap = (objective: Objective, changes: Partial<AlignmentOptions> = {}) =>
      pairTerm(options({ objective, ...changes }), rows).metrics['solo/gap_signed'] as number;
    const logOdds = (mean: number) => mean - Math.log(1 - Math.exp(mean));
    expect(gap(dpo)).toBeCloseTo(0.5 * (-2.1 + 5.3), 12);
    expect(gap(dpo, { reference: 'per-context' })).toBeCloseTo(0.5 * (-2.1 + 3 + 5.3 - 6.1), 12);
    expect(gap({ ...dpo, loss: 'ipo' })).toBeCloseTo((0.5 / 3) * (-2.1 + 5.3), 12);
    expect(gap(simpo)).toBeCloseTo((2.5 / 3) * (-2.1 + 5.3), 12);
    expect(gap(orpo)).toBeCloseTo(logOdds(-2.1 / 3) - logOdds(-5.3 / 3), 12);
  });

  test('distances have the values their names say', () => {
    const ra = (distance: AlignmentOptions['distance'], alpha = 1) =>
      pairTerm(options({ distance, alpha }), rows).metrics['solo/loss_ra'];
    expect(ra('absolute')).toBeCloseTo(1.6, 12);
    expect(ra('squared')).toBeCloseTo(2.56, 12);
    expect(ra('smooth-l1')).toBeCloseTo(1.1, 12);
    const near = moved(rows, 'longChosen', 2.2);
    expect(pairTerm(options({ distance: 'smooth-l1', alpha: 1 }), near).loss).toBeCloseTo(
      pairTerm(options({ arm: 'short' }), near).loss + 0.5 * 0.5 ** 2,
      12,
    );
  });

  test('one-sided, only what makes the long margin smaller is punished', () => {
    const ra = (given: Rows) =>
      pairTerm(options({ arm: 'solo-both', sides: 'one', alpha: 1 }), given).metrics['solo/loss_ra'];
    const level = { ...rows, longChosen: rows.shortChosen!, longRejected: rows.shortRejected! };
    expect(ra(moved(level, 'longChosen', -1))).toBeCloseTo(0.5, 12);
    expect(ra(moved(level, 'longChosen', 1))).toBe(0);
    expect(ra(moved(level, 'longRejected', 1))).toBeCloseTo(0.5, 12);
    expect(ra(moved(level, 'longRejected', -1))).toBe(0);
  });

  test('a fraction p of the pairs is aligned with weight alpha / p, the others not at all', () => {
    const all = pairTerm(options(), rows);
    const some = options({ fraction: 0.25 });
    const aligned = pairTerm(some, rows);
    expect(aligned.metrics['solo/loss_ra']).toBeCloseTo(4 * (all.metrics['solo/loss_ra'] as number), 12);
    expect(aligned.gradients.longChosen).toBeCloseTo(4 * (all.gradients.longChosen as number), 12);
    const { longChosen: _w, longRejected: _l, ...short } = rows;
    const plain = pairTerm(options({ arm: 'short' }), short);
    const left = pairTerm(some, short, { aligned: false });
    expect(left.loss).toBe(plain.loss);
    expect(left.gradients).toEqual(plain.gradients);
    expect(left.metrics).toEqual({ ...plain.metrics, 'solo/loss_ra': 0 });
    expect(rowsRead(some, false)).toEqual(['shortChosen', 'shortRejected']);
    expect(referenceRowsRead(options({ fraction: 0.25, reference: 'per-context' }), false)).toEqual([
      'shortChosen',
      'shortRejected',
    ]);
  });

  test.each(OBJECTIVES)('detach: short leaves the short rows with the gradient of %s alone', (_, objective) => {
    for (const arm of ['solo', 'solo-both'] as const) {
      const detached = pairTerm(options({ arm, objective, detach: 'short' }), rows).gradients;
      const plain = pairTerm(options({ arm: 'short', objective }), rows).gradients;
      const free = pairTerm(options({ arm, objective }), rows).gradients;
      expect(detached.shortChosen).toBe(plain.shortChosen);
      expect(detached.shortRejected).toBe(plain.shortRejected);
      expect(detached.longChosen).toBe(free.longChosen);
      expect(detached.longChosen).toBeLessThan(0);
    }
  });

  test.each([
    ['dpo', dpo, 0.5 * 1e-5 * 3],
    ['simpo', simpo, 2.5 * 1e-5],
  ] as const)(
    'rounding inside the dead zone of %s has no slope; just outside it has a full one',
    (_, objective, zone) => {
      const gap = (size: number): Rows => {
        const perLogp = objective.kind === 'dpo' ? 0.5 : 2.5 / 3;
        return moved({ ...rows, longChosen: rows.shortChosen! }, 'longChosen', -size / perLogp);
      };
      const slope = (size: number) => pairTerm(options({ objective }), gap(size)).gradients.longChosen;
      expect(slope(0.9 * zone)).toBeCloseTo(0, 12);
      expect(slope(1.1 * zone)).toBeCloseTo(-1.5 * (objective.kind === 'dpo' ? 0.5 : 2.5 / 3), 12);
    },
  );
});

describe('the bound on the long loss', () => {
  const bounded = OBJECTIVES.filter(([name]) => name !== 'ipo' && name !== 'dpo, smoothed labels');

  test.each(bounded)('holds for %s with any log-probabilities, and is met where both gaps hurt', (_, objective) => {
    const next = draws();
    const draw = (tokens: number) => ({
      policy: -10 * (next.next().value as number),
      reference: -10 * (next.next().value as number),
      tokens,
    });
    for (let i = 0; i < 1000; i++) {
      const given = { shortChosen: draw(2), shortRejected: draw(3), longChosen: draw(2), longRejected: draw(3) };
      expect(longLossBound(objective, given)?.slack).toBeGreaterThan(-1e-12);
    }
    // Far on the slope of the loss the bound is tight.
    const steep: Rows = {
      shortChosen: { policy: -60, reference: 0, tokens: 1 },
      shortRejected: { policy: -1, reference: 0, tokens: 1 },
      longChosen: { policy: -90, reference: 0, tokens: 1 },
      longRejected: { policy: -0.5, reference: 0, tokens: 1 },
    };
    expect(longLossBound(objective, steep)?.slack).toBeLessThan(1e-5);
  });

  test('is what solo-both with alpha 1 and one-sided gaps adds up to', () => {
    const objective = dpo;
    const { loss } = pairTerm(
      options({ arm: 'solo-both', objective, alpha: 1, sides: 'one', reference: 'per-context', deadZone: 0 }),
      rows,
    );
    expect(longLossBound(objective, rows)?.bound).toBeCloseTo(loss, 12);
  });

  test('does not exist for IPO, smoothed labels and SFT', () => {
    for (const objective of [
      { ...dpo, loss: 'ipo' },
      { ...dpo, labelSmoothing: 0.1 },
      { kind: 'sft', context: 'short' },
    ] as const)
      expect(longLossBound(objective, rows)).toBeNull();
  });
});

const GRID: readonly (readonly [name: string, options: ObjectiveOptions])[] = [
  ...OBJECTIVES.flatMap(([name, objective]) =>
    PREFERENCE_ARMS.map((arm) => [`${arm}, ${name}`, options({ arm, objective, reference: 'per-context' })] as const),
  ),
  ...SFT.map((config) => [`sft, ${trained(config)}`, config] as const),
  ...(['absolute', 'squared', 'smooth-l1'] as const).flatMap((distance) =>
    (['two', 'one'] as const).flatMap((sides) =>
      (['shared', 'per-context'] as const).flatMap((reference) =>
        [dpo, simpo, orpo].map(
          (objective) =>
            [
              `solo-both, ${objective.kind}, ${distance}, ${sides}-sided, ${reference}`,
              options({ arm: 'solo-both', objective, distance, sides, reference, fraction: 0.5 }),
            ] as const,
        ),
      ),
    ),
  ),
];

function trained({ objective }: ObjectiveOptions): string {
  return objective.kind === 'sft' ? objective.context : objective.kind;
}

describe.each(GRID)('%s', (_, config) => {
  test.each([...ROWS, 'shortPrompt', 'longPrompt'] as const)(
    'the derivative by %s agrees with central differences',
    (row) => {
      const at = (by: number) => pairTerm(config, moved(rows, row, by)).loss;
      expect(pairTerm(config, rows).gradients[row] ?? 0).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 7);
    },
  );

  test('it reads exactly the rows it names', () => {
    const prompt = promptRead(config);
    const wanted: readonly (Row | Prompt)[] = [...rowsRead(config), ...(prompt ? [prompt] : [])];
    const references = new Set<string>(referenceRowsRead(config));
    const only = Object.fromEntries(
      wanted.map((row) => {
        const { reference, ...rest } = rows[row]!;
        return [row, references.has(row) ? { ...rest, reference: reference as number } : rest];
      }),
    ) as Rows;
    const { loss, gradients } = pairTerm(config, only);
    expect(loss).toBe(pairTerm(config, rows).loss);
    expect(Object.keys(gradients).sort()).toEqual([...wanted].sort());
    for (const row of wanted) expect(() => pairTerm(config, { ...only, [row]: undefined })).toThrow(row);
    for (const row of referenceRowsRead(config)) {
      const { reference: _r, ...rest } = rows[row]!;
      expect(() => pairTerm(config, { ...only, [row]: rest })).toThrow(`reference of row "${row}"`);
    }
  });
});

test('metrics are means over the pairs that have them, with the nearest-rank 95th percentile of the gap', () => {
  const pairs = Array.from({ length: 20 }, (_, i) => ({ 'solo/gap_abs': 20 - i, loss: i }));
  expect(meanMetrics([...pairs, { loss: 41 }])).toEqual({ 'solo/gap_abs': 10.5, loss: 11, 'solo/gap_p95': 19 });
});
