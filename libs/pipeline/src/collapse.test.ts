import { sha256, watchSchema, type AlignmentView } from '@solopo/contracts';
import { expect, test } from 'vitest';
import { watchForCollapse } from './collapse.ts';

const watch = watchSchema.parse({});
const version = (step: number, logp: number, gap: number): AlignmentView => ({
  step,
  policy: sha256(`${step}`),
  metrics: { 'solo/logp_short_per_token': logp, 'solo/logp_gap_per_token': gap },
});
const base = version(0, -0.4, 1.5);

test('warns of a short log-probability that fell while the gap shrank, with both figures', () => {
  const [warning] = watchForCollapse(watch, [base, version(25, -1.2, 0.6)], 25);
  expect(warning).toMatchObject({
    kind: 'collapse',
    step: 25,
    logpShort: -1.2,
    logpShortBase: -0.4,
    gap: 0.6,
    gapBase: 1.5,
  });
  expect(warning?.message).toMatch(/from -0.40 to -1.20 .* from 1.50 to 0.60; set alignment.detach to short/);
});

test.each([
  ['the short answer kept its place', version(25, -0.8, 0.6)],
  ['the gap is as wide as before', version(25, -1.2, 1.5)],
  ['both got better', version(25, -0.2, 0.6)],
  ['there are no figures', { ...version(25, 0, 0), metrics: {} }],
])('is silent where %s', (_, measured) => {
  expect(watchForCollapse(watch, [base, measured], 25)).toEqual([]);
});

test('speaks of each version once, whichever of it and the base is measured first', () => {
  const [first, second] = [version(25, -1.2, 0.6), version(50, -1.4, 0.3)];
  const steps = (alignments: AlignmentView[], measured: number) =>
    watchForCollapse(watch, alignments, measured).map(({ step }) => step);
  expect(steps([first, second], 50)).toEqual([]);
  expect(steps([base, first, second], 0)).toEqual([25, 50]);
  expect(steps([base, first, second], 50)).toEqual([50]);
});

test('is off where it is told so, and as patient as it is told', () => {
  const alignments = [base, version(25, -1.2, 0.6)];
  expect(watchForCollapse({ ...watch, collapse: 'off' }, alignments, 25)).toEqual([]);
  expect(watchForCollapse({ ...watch, logpDrop: 1 }, alignments, 25)).toEqual([]);
});
