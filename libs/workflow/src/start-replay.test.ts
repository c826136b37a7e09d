import type { Ledger } from '@solopo/ledger';
import { describe, expect, it } from 'vitest';
import { failStage, republishLost, retryDeadLetter, startReplay, startRun } from './index.ts';
import { FakeExecutor } from './testing/fake.executor.ts';
import { FakeQueue } from './testing/fake.queue.ts';
import { configOf, useLedger } from './testing/workflow.fixture.ts';

const fixture = useLedger();
const SUBJECT = 'jobs.trainer.replay';

/** A run that has all its slices. */
async function trained(): Promise<{ ledger: Ledger; run: string; slices: number; executor: FakeExecutor }> {
  const { ledger } = fixture;
  const executor = new FakeExecutor(ledger);
  const run = await ledger.transaction((tx) => startRun(tx, configOf({ evaluation: null })));
  await executor.drain();
  const slices = (await ledger.runs.view(run)).stages.find(({ kind }) => kind === 'train')?.chunks ?? 0;
  return { ledger, run, slices, executor };
}

const ask = (ledger: Ledger, run: string, slices: number, seed = 1) =>
  ledger.transaction((tx) => startReplay(tx, run, { slices, seed }));

describe('a replay', () => {
  it('is a job for each slice, and the run sees nothing of it', async () => {
    const { ledger, run, slices, executor } = await trained();
    const before = await ledger.runs.view(run);
    const counts = await ledger.counts();
    expect(slices).toBeGreaterThan(2);
    await ask(ledger, run, 2);
    await executor.drain();
    expect(executor.count('replay')).toBe(2);
    const [replay] = await ledger.stages.replays(run);
    expect(replay).toMatchObject({ state: 'done', chunks: 2, error: null });
    expect(Object.keys(replay?.result?.['slices'] ?? {})).toHaveLength(2);
    expect(await ledger.runs.view(run)).toEqual(before);
    expect(await ledger.counts()).toEqual(counts);
  });

  it('takes other slices with another seed, the same with the same, and all where the run has no more', async () => {
    const { ledger, run, slices } = await trained();
    for (const seed of [1, 1, 2, 3, 4, 5]) await ask(ledger, run, 1, seed);
    await ask(ledger, run, slices + 1);
    const [all, ...drawn] = (await ledger.stages.replays(run)).map(({ spec }) =>
      spec.kind === 'replay' ? spec.slices : [],
    );
    expect(all).toEqual(Array.from({ length: slices }, (_, slice) => slice));
    expect(drawn.at(-1)).toEqual(drawn.at(-2));
    expect(new Set(drawn.map(String)).size).toBeGreaterThan(1);
  });

  it('waits for a first slice of training', async () => {
    const { ledger } = fixture;
    const run = await ledger.transaction((tx) => startRun(tx, configOf({ evaluation: null })));
    await expect(ask(ledger, run, 1)).rejects.toMatchObject({ code: 'conflict' });
    await expect(ask(ledger, 'none', 1)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('that the queue lost is published again', async () => {
    const { ledger, run, executor } = await trained();
    const queue = new FakeQueue(ledger);
    await queue.publish();
    queue.lose();
    await ask(ledger, run, 2);
    await queue.publish();
    queue.lose();
    const lost = await ledger.transaction((tx) => republishLost(tx, queue));
    expect(Object.fromEntries(lost)).toEqual({ [SUBJECT]: 2 });
    await executor.drain();
    expect(await ledger.stages.replays(run)).toMatchObject([{ state: 'done' }]);
  });

  it('that was given up leaves its run alone, drops its other jobs, and can be retried', async () => {
    const { ledger, run, executor } = await trained();
    await ask(ledger, run, 2);
    const [first, second] = await executor.take(10);
    const reason = 'It broke.';
    await ledger.transaction(async (tx) => {
      await tx.deadLetters.add({ subject: SUBJECT, job: first, reason, code: 'internal', attempts: 5 });
      await failStage(tx, first!.stage, reason, first!.chunk);
    });
    expect(await executor.execute(second!)).toBe('unwanted');
    expect(await ledger.stages.replays(run)).toMatchObject([{ state: 'failed', error: reason }]);
    expect((await ledger.runs.view(run)).state).toBe('succeeded');
    const [letter] = await ledger.deadLetters.list();
    expect(await ledger.transaction((tx) => retryDeadLetter(tx, letter!.id))).toEqual([]);
    await executor.drain();
    expect(await ledger.stages.replays(run)).toMatchObject([{ state: 'done', error: null }]);
  });
});
