import { eventSchema, jobSchema, type RunEvent, type WatchConfig } from '@solopo/contracts';
import type { Ledger } from '@solopo/ledger';
import { expect, it } from 'vitest';
import { startRun } from './index.ts';
import { FakeExecutor } from './testing/fake.executor.ts';
import { configOf, useLedger } from './testing/workflow.fixture.ts';

const fixture = useLedger();

/** From step 14 on the short answers have come down to the long ones. */
const collapsing = (step: number) => ({
  'solo/logp_short_per_token': step < 14 ? -0.4 : -1.4,
  'solo/logp_gap_per_token': step < 14 ? 1.5 : 0.2,
});

it.each(['warn', 'stop', 'off'] as const)('a collapse is answered as the run asks: %s', async (collapse) => {
  const { ledger } = fixture;
  const id = await start(ledger, collapse);
  const warnings = await drain(ledger, id);
  const run = await ledger.runs.view(id);
  if (collapse === 'stop') {
    expect(run).toMatchObject({ state: 'failed', step: 14 });
    expect(run.error).toMatch(/^At step 14 the short answers have collapsed: .* set alignment.detach to short/);
  } else expect(run).toMatchObject({ state: 'succeeded', error: null, step: 18 });
  const steps = { off: [], warn: [14, 18], stop: [14] }[collapse];
  expect(warnings.map(({ data }) => data['step'])).toEqual(steps);
  for (const { data } of warnings)
    expect(data).toMatchObject({ kind: 'collapse', logpShort: -1.4, logpShortBase: -0.4, gap: 0.2, gapBase: 1.5 });
});

function start(ledger: Ledger, collapse: WatchConfig['collapse']): Promise<string> {
  const config = configOf({ evaluation: null, watch: { collapse } });
  return ledger.transaction((tx) => startRun(tx, config));
}

/** Measures each policy version before the next slice is trained. Returns the warnings on the way. */
async function drain(ledger: Ledger, run: string): Promise<RunEvent[]> {
  const executor = new FakeExecutor(ledger, collapsing);
  const warnings: RunEvent[] = [];
  for (;;) {
    const messages = await ledger.transaction((tx) => tx.outbox.claim(100_000));
    for (const { subject, payload } of messages)
      if (subject === `events.runs.${run}`)
        warnings.push(...[eventSchema.parse(payload)].filter(({ type }) => type === 'run.warning'));
    const jobs = await executor.take(100);
    if (jobs.length === 0) return warnings;
    const kinds = await Promise.all(
      jobs.map(async (job) => ({ job: jobSchema.parse(job), kind: (await ledger.stages.require(job.stage)).kind })),
    );
    for (const { job } of kinds.sort((a, b) => Number(a.kind === 'train') - Number(b.kind === 'train')))
      await executor.execute(job);
  }
}
