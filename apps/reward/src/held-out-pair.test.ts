import { alignmentSchema, objectiveSchema } from '@solopo/contracts';
import { ROWS, type Row } from '@solopo/objectives';
import { expect, test } from 'vitest';
import { heldOutPairMetrics, type HeldOutPair } from './held-out-pair.ts';

const statistics = (logp: number, tokens: number) => ({
  logp,
  tokens,
  hits: 1,
  entropy: tokens / 2,
  meanLogit: -tokens,
});
const VALUES: Readonly<Record<Row, readonly [policy: number, reference: number, tokens: number]>> = {
  shortChosen: [-1, -3, 2],
  shortRejected: [-4, -3.5, 4],
  longChosen: [-5, -6, 2],
  longRejected: [-4, -6, 4],
};
const byRow = <T>(of: (policy: number, reference: number, tokens: number) => T) =>
  Object.fromEntries(ROWS.map((row) => [row, of(...VALUES[row])])) as Record<Row, T>;
const pair: HeldOutPair = {
  statistics: byRow((policy, _, tokens) => statistics(policy, tokens)),
  rows: {
    ...byRow((policy, reference, tokens) => ({ policy, reference, tokens })),
    shortPrompt: { policy: -30, tokens: 10 },
  },
  probe: statistics(-9, 2),
};
const metricsOf = (objective: object) =>
  heldOutPairMetrics({ objective: objectiveSchema.parse(objective), alignment: alignmentSchema.parse({}) }, pair);

test('DPO: margins, gap, gap per token and probe are what the formulas give', () => {
  const metrics = metricsOf({ kind: 'dpo', beta: 0.5 });
  expect(metrics['eval_rewards/margins']).toBeCloseTo(0.5 * (2 + 0.5), 12);
  expect(metrics['eval_loss']).toBeCloseTo(Math.log1p(Math.exp(-1.25)), 12);
  expect(metrics['solo/margin_short']).toBeCloseTo(0.5 * (2 + 0.5), 12);
  expect(metrics['solo/accuracy_short']).toBe(1);
  expect(metrics['solo/margin_long']).toBeCloseTo(0.5 * (1 - 2), 12);
  expect(metrics['solo/loss_long']).toBeCloseTo(Math.log1p(Math.exp(0.5)), 12);
  expect(metrics['solo/accuracy_long']).toBe(0);
  expect(metrics['solo/gap_abs']).toBeCloseTo(0.5 * 4, 12);
  expect(metrics['solo/logp_short_per_token']).toBeCloseTo(-0.5, 12);
  expect(metrics['solo/logp_gap_per_token']).toBeCloseTo(2, 12);
  expect(metrics['solo/logp_no_context_per_token']).toBeCloseTo(-4.5, 12);
  // d_w = 1 - 0.5, d_l = 1 - (-0.25), each reward against its own reference.
  expect(metrics['solo/bound']).toBeCloseTo(Math.log1p(Math.exp(-1.25)) + 0.5 + 1.25, 12);
  expect(metrics['solo/bound_slack']).toBeCloseTo((metrics['solo/bound'] ?? 0) - (metrics['solo/loss_long'] ?? 0), 12);
});

test('SimPO takes means over the tokens', () => {
  const metrics = metricsOf({ kind: 'simpo', beta: 2, gamma: 0 });
  expect(metrics['eval_logps/chosen']).toBeCloseTo(-0.5, 12);
  expect(metrics['solo/margin_long']).toBeCloseTo(2 * (-2.5 + 1), 12);
  expect(metrics['solo/gap_abs']).toBeCloseTo(4, 12);
});

test('ORPO counts its likelihood on the short context alone, and the prompt where it is told so', () => {
  const metrics = metricsOf({ kind: 'orpo', beta: 0.5 });
  expect(metrics['eval_nll_loss']).toBeCloseTo(0.5, 12);
  expect(metrics['solo/loss_long']).toBeCloseTo(0.5 * Math.log1p(Math.exp(-(metrics['solo/margin_long'] ?? 0))), 12);
  expect(metricsOf({ kind: 'orpo', nll: 'all' })['eval_nll_loss']).toBeCloseTo((30 + 1) / 12, 12);
});

test('SFT has its likelihood, and margins of mean log-probabilities to compare it by, but no bound', () => {
  const metrics = metricsOf({ kind: 'sft' });
  expect(metrics['eval_loss']).toBeCloseTo(0.5, 12);
  expect(metrics['solo/loss_long']).toBeCloseTo(2.5, 12);
  expect(metrics['solo/margin_short']).toBeCloseTo(0.5, 12);
  expect(metrics['solo/margin_long']).toBeCloseTo(-1.5, 12);
  expect(metrics).not.toHaveProperty('solo/bound');
  expect(metrics).not.toHaveProperty('eval_rewards/margins');
});

test('distillation has what one answer says: log-probabilities and their gap, nothing of a second one, no loss', () => {
  const { shortChosen, longChosen } = pair.rows;
  const alone: HeldOutPair = {
    ...pair,
    rows: { ...(shortChosen && { shortChosen }), ...(longChosen && { longChosen }) },
  };
  const options = { objective: objectiveSchema.parse({ kind: 'distil' }), alignment: alignmentSchema.parse({}) };
  const metrics = heldOutPairMetrics(options, alone);
  expect(metrics).toMatchObject({
    'eval_logps/chosen': -1,
    'solo/logp_short_per_token': -0.5,
    'solo/logp_long_per_token': -2.5,
    'solo/gap_abs': 2,
    'solo/logp_no_context_per_token': -4.5,
  });
  expect(Object.keys(metrics).filter((name) => /margin|accurac|loss|rejected|bound/.test(name))).toEqual([]);
});
