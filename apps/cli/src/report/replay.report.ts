import type { ReplayedSlice, ReplayView } from '../client/api.views.ts';

const VERDICTS: Readonly<Record<ReplayedSlice['outcome'], string>> = {
  equal: 'ok    ',
  differs: 'FAILED',
  'other-engine': 'told  ',
  unreadable: 'FAILED',
};

/** Of a replay that has ended. */
export function replayReport({ seed, replayed, state, error }: ReplayView): string {
  const lines = replayed.map(
    ({ outcome, from, to, detail, ...slice }) =>
      `${VERDICTS[outcome]}  replay  steps ${from} to ${to}, taken again: ${detail}${engines(outcome, slice)}`,
  );
  const failed = state === 'failed' ? [`FAILED  replay  ${error ?? 'it was given up; read its dead letter'}`] : [];
  return [...lines, ...failed, `The slices were drawn with --seed ${seed}.`].join('\n');
}

function engines(
  outcome: ReplayedSlice['outcome'],
  { recordedBy, replayedBy }: Pick<ReplayedSlice, 'recordedBy' | 'replayedBy'>,
): string {
  if (outcome === 'unreadable') return '';
  if (recordedBy === replayedBy) return `, by ${replayedBy}`;
  const others = `, by ${replayedBy}, where ${recordedBy ?? 'an engine of no recorded fingerprint'} took them for the run`;
  return outcome === 'equal'
    ? others
    : `${others}: engines of other fingerprints need not give the same numbers, so this proves nothing; replay where the recorded one runs`;
}
