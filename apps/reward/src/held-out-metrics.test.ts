import { expect, test } from 'vitest';
import { evidencePlace, heldOutMetrics, type MeasuredPair } from './held-out-metrics.ts';

const measured = (gap: number, longTokens: number, evidence: number | null, tokens = 2): MeasuredPair => {
  const statistics = { tokens, logp: -1, hits: 1, entropy: 3, meanLogit: 4 };
  return {
    statistics: { chosen: statistics, rejected: { ...statistics, tokens: 4 } },
    metrics: { eval_loss: gap / 2, 'solo/gap_abs': gap },
    longTokens,
    evidence,
  };
};

test('means over the pairs, tokens weighing alike, and the nearest-rank 95th percentile of the gap', () => {
  const metrics = heldOutMetrics(Array.from({ length: 20 }, (_, i) => measured(20 - i, 100, null, i === 0 ? 6 : 1)));
  expect(metrics).toMatchObject({ 'solo/gap_abs': 10.5, eval_loss: 5.25, 'solo/gap_p95': 19, pairs: 20 });
  expect(metrics['eval_mean_token_accuracy']).toBeCloseTo(20 / 25, 12);
  expect(metrics['eval_entropy']).toBeCloseTo(120 / (25 + 80), 12);
  expect(metrics['eval_logits/rejected']).toBeCloseTo(1, 12);
});

test('by length of the long context, and by place of the evidence', () => {
  const metrics = heldOutMetrics([
    measured(1, 1024, 0.1),
    measured(3, 1025, 0.5),
    measured(5, 2048, 0.9),
    measured(7, 2000, null),
  ]);
  expect(Object.fromEntries(Object.entries(metrics).filter(([name]) => /_le_|evidence_/.test(name)))).toEqual({
    'pairs/length_le_1024': 1,
    'pairs/length_le_2048': 3,
    'pairs/evidence_first': 1,
    'pairs/evidence_middle': 1,
    'pairs/evidence_last': 1,
    'solo/gap_abs/length_le_1024': 1,
    'solo/gap_abs/length_le_2048': 5,
    'solo/gap_abs/evidence_first': 1,
    'solo/gap_abs/evidence_middle': 3,
    'solo/gap_abs/evidence_last': 5,
  });
});

test('evidence lies where its spans lie on average', () => {
  expect(evidencePlace([{ start: 0, end: 10 }], 100)).toBeCloseTo(0.05, 12);
  expect(
    evidencePlace(
      [
        { start: 0, end: 10 },
        { start: 80, end: 90 },
      ],
      100,
    ),
  ).toBeCloseTo(0.45, 12);
  expect(evidencePlace([], 100)).toBeNull();
});
