import { describe, expect, test } from 'vitest';
import { pairTerm, referenceRowsRead, rowsRead, type ObjectiveOptions, type Row, type Rows } from './index.ts';

const options = (
  over: Partial<ObjectiveOptions> & {
    alpha?: number;
    detach?: 'none' | 'short';
    reference?: 'shared' | 'per-context';
  } = {},
): ObjectiveOptions => ({
  arm: over.arm ?? 'solo',
  objective: { kind: 'dpo', beta: 0.5 },
  alignment: {
    alpha: over.alpha ?? 1.5,
    reference: over.reference ?? 'shared',
    detach: over.detach ?? 'none',
    deadZone: 1e-5,
  },
});

const rows: Rows = {
  shortChosen: { policy: -2.1, reference: -3, tokens: 3 },
  shortRejected: { policy: -4.2, reference: -3.5, tokens: 4 },
  longChosen: { policy: -5.3, reference: -6.1, tokens: 3 },
  longRejected: { policy: -6.4, reference: -5.9, tokens: 4 },
};

describe('DPO', () => {
  test('at the start (policy = reference) the loss is ln 2, every reward 0, and the alignment silent', () => {
    const start = Object.fromEntries(
      Object.entries(rows).map(([row, value]) => [row, { ...value, policy: value.reference as number }]),
    );
    for (const arm of ['short', 'expand-long', 'solo'] as const) {
      const { loss, metrics } = pairTerm(options({ arm, reference: 'per-context' }), start);
      expect(loss).toBeCloseTo(Math.LN2, 12);
      expect(metrics['rewards/chosen']).toBe(0);
      expect(metrics['rewards/rejected']).toBe(0);
    }
  });

  test('matches a value worked out by hand', () => {
    // u = 0.5 * ((-2.1 + 3) - (-4.2 + 3.5)) = 0.8;  -log sigmoid(0.8) = 0.3711006659
    expect(pairTerm(options({ arm: 'short' }), rows).loss).toBeCloseTo(0.3711006659, 9);
  });

  test('extreme margins stay finite', () => {
    const far = { ...rows, shortRejected: { policy: 5000, reference: 0, tokens: 4 } };
    const { loss, gradients } = pairTerm(options({ arm: 'short' }), far);
    expect(loss).toBeCloseTo(0.5 * (5000 - 0.9), 6);
    expect(gradients.shortChosen).toBeCloseTo(-0.5, 12);
  });
});

describe('alignment', () => {
  test('with x_long = x_short and alpha > 0 the loss and every gradient are those of plain DPO', () => {
    const same = { ...rows, longChosen: rows.shortChosen! };
    const solo = pairTerm(options({ alpha: 3 }), same);
    const plain = pairTerm(options({ arm: 'short' }), same);
    expect(solo.loss).toBe(plain.loss);
    expect(solo.gradients.shortChosen).toBe(plain.gradients.shortChosen);
    expect(solo.gradients.shortRejected).toBe(plain.gradients.shortRejected);
    expect(solo.gradients.longChosen).toBe(0);
  });

  test("shared and per-context references differ by the reference's own deficit at long context", () => {
    const shared = pairTerm(options(), rows).metrics['solo/gap_signed'] as number;
    const own = pairTerm(options({ reference: 'per-context' }), rows).metrics['solo/gap_signed'] as number;
    expect(shared).toBeCloseTo(0.5 * (-2.1 + 5.3), 12);
    expect(shared - own).toBeCloseTo(0.5 * (-3 + 6.1), 12);
  });

  test('detach: short leaves the short row with the gradient of DPO alone', () => {
    const detached = pairTerm(options({ detach: 'short' }), rows).gradients;
    expect(detached.shortChosen).toBe(pairTerm(options({ arm: 'short' }), rows).gradients.shortChosen);
    expect(detached.longChosen).toBeLessThan(0);
  });

  test('rounding inside the dead zone has no slope; just outside it has a full one', () => {
    const moved = (by: number): Rows => ({ ...rows, longChosen: { ...rows.shortChosen!, policy: -2.1 - by } });
    expect(pairTerm(options(), moved(2e-5)).gradients.longChosen).toBe(0);
    expect(pairTerm(options(), moved(4e-5)).gradients.longChosen).toBe(-0.75);
  });
});

describe.each([
  options({ arm: 'short' }),
  options({ arm: 'expand-long' }),
  options(),
  options({ reference: 'per-context' }),
])('derivatives of arm $arm, reference $alignment.reference', (config) => {
  test.each(['shortChosen', 'shortRejected', 'longChosen', 'longRejected'] satisfies Row[])(
    'by %s agree with central differences',
    (row) => {
      const at = (by: number) =>
        pairTerm(config, { ...rows, [row]: { ...rows[row]!, policy: rows[row]!.policy + by } }).loss;
      expect(pairTerm(config, rows).gradients[row] ?? 0).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 7);
    },
  );

  test('it reads exactly the rows it names', () => {
    const wanted = rowsRead(config);
    const references = referenceRowsRead(config);
    const only = Object.fromEntries(
      wanted.map((row) => {
        const { reference, ...rest } = rows[row]!;
        return [row, references.includes(row) ? { ...rest, reference: reference as number } : rest];
      }),
    ) as Rows;
    expect(pairTerm(config, only).loss).toBe(pairTerm(config, rows).loss);
    for (const row of wanted) expect(() => pairTerm(config, { ...only, [row]: undefined })).toThrow(row);
  });
});
