import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { pairTerm, ROWS, type ObjectiveOptions, type Rows } from './index.ts';

/**
 * Losses of random rows and their derivatives, by PyTorch in double precision: TRL 1.16's own functions for DPO, IPO, hinge,
 * SimPO and ORPO (that one in single precision), the formula for the rest. Made by tools/parity/objectives.py.
 */
interface Fixture {
  readonly rows: readonly Rows[];
  readonly cases: readonly {
    readonly name: string;
    readonly options: ObjectiveOptions;
    readonly expected: readonly {
      readonly aligned: boolean;
      readonly metrics: Readonly<Record<string, number>>;
      readonly gradients: Readonly<Record<string, number>>;
    }[];
  }[];
}

const { rows, cases } = JSON.parse(
  readFileSync(fileURLToPath(new URL('fixtures/losses.json', import.meta.url)), 'utf8'),
) as Fixture;

test('the cases have every arm, and alignment terms that are silent and that are not', () => {
  expect([...new Set(cases.map(({ options }) => options.arm))].sort()).toEqual([
    'expand-long',
    'long',
    'sft',
    'short',
    'solo',
    'solo-both',
  ]);
  for (const variant of ['one side', 'wide dead zone', 'a fraction']) {
    const terms = cases
      .filter(({ name }) => name.endsWith(variant))
      .flatMap(({ expected }) => expected.map(({ metrics }) => metrics['solo/loss_ra']!));
    expect(terms.filter((loss) => loss === 0).length, variant).toBeGreaterThan(0);
    expect(terms.filter((loss) => loss > 0).length, variant).toBeGreaterThan(0);
  }
});

describe.each(cases)('$name', ({ options, expected }) => {
  const tolerance = options.objective.kind === 'orpo' ? 2e-5 : 1e-7;

  test.each(rows.map((pair, index) => [index, pair] as const))('pair %i is PyTorch’s', (index, pair) => {
    const { aligned, metrics, gradients } = expected[index]!;
    const term = pairTerm(options, pair, { aligned });
    const own: Readonly<Record<string, number | undefined>> = { ...term.metrics, loss: term.loss };
    for (const [name, value] of Object.entries(metrics)) {
      if (own[name] === undefined) throw new Error(`no metric ${name}`);
      expect(Math.abs(own[name] - value), name).toBeLessThan(tolerance * Math.max(1, Math.abs(value)));
    }
    for (const row of [...ROWS, 'shortPrompt', 'longPrompt'] as const) {
      const [slope, theirs] = [term.gradients[row] ?? 0, gradients[row] ?? 0];
      expect(Math.abs(slope - theirs), `derivative of ${row}`).toBeLessThan(tolerance * Math.max(1, Math.abs(theirs)));
    }
  });
});
