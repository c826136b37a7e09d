import { expect, test } from 'vitest';
import { alignmentMetrics, pairAlignment, type FourRows } from './alignment-metrics.ts';

const options = {
  objective: { kind: 'dpo', beta: 0.5 },
  alignment: { alpha: 1, reference: 'shared', detach: 'short', deadZone: 1e-5 },
} as const;
const rows: FourRows = {
  shortChosen: { policy: -1, reference: -3, tokens: 2 },
  shortRejected: { policy: -4, reference: -3.5, tokens: 4 },
  longChosen: { policy: -5, reference: -6, tokens: 2 },
  longRejected: { policy: -4, reference: -6, tokens: 4 },
};

test('margins, gap and gap per token are what the formulas give', () => {
  const metrics = pairAlignment(options, rows);
  expect(metrics['rewards/margins']).toBeCloseTo(0.5 * (2 + 0.5), 12);
  expect(metrics['solo/margin_long']).toBeCloseTo(0.5 * (1 - 2), 12);
  expect(metrics['solo/accuracy_long']).toBe(0);
  expect(metrics['solo/gap_abs']).toBeCloseTo(0.5 * 4, 12);
  expect(metrics['solo/logp_gap_per_token']).toBeCloseTo(2, 12);
});

test('the bound holds for any log-probabilities', () => {
  const draw = (i: number): number => -10 * Math.abs((Math.sin(i * 12.9898) * 43758.5453) % 1);
  for (let i = 0; i < 2000; i += 8) {
    const row = (k: number, tokens: number) => ({ policy: draw(i + k), reference: draw(i + k + 4), tokens });
    const pair = { shortChosen: row(0, 2), shortRejected: row(1, 2), longChosen: row(2, 2), longRejected: row(3, 2) };
    expect(pairAlignment(options, pair)['solo/bound_slack']).toBeGreaterThan(-1e-12);
  }
});

test('means over pairs, and the nearest-rank 95th percentile of the gap', () => {
  const pairs = Array.from({ length: 20 }, (_, i) => ({ 'solo/gap_abs': 20 - i, loss: i }));
  expect(alignmentMetrics(pairs)).toEqual({ 'solo/gap_abs': 10.5, loss: 9.5, 'solo/gap_p95': 19, pairs: 20 });
});
