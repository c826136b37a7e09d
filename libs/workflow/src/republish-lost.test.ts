import type { Job } from '@solopo/contracts';
import type { Ledger } from '@solopo/ledger';
import { describe, expect, it } from 'vitest';
import { beginChunk, cancelRun, completeChunk, republishLost, startRun } from './index.ts';
import { EXECUTOR, FakeExecutor, outcomeOf } from './testing/fake.executor.ts';
import { FakeQueue } from './testing/fake.queue.ts';
import { configOf, useLedger } from './testing/workflow.fixture.ts';

const fixture = useLedger();
const COMPOSE = 'jobs.datagen.compose';

const start = (ledger: Ledger, changes: Parameters<typeof configOf>[0] = {}) =>
  ledger.transaction((tx) => startRun(tx, configOf({ evaluation: null, ...changes })));
const sweep = async (ledger: Ledger, queue: FakeQueue) =>
  Object.fromEntries(await ledger.transaction((tx) => republishLost(tx, queue)));

/** A run whose jobs are on the queue: two chunks of `compose`. */
async function begun() {
  const { ledger } = fixture;
  const queue = new FakeQueue(ledger);
  const run = await start(ledger);
  await queue.publish();
  const [first, second] = queue.jobs.map(({ job }) => job) as [Job, Job];
  return { ledger, queue, run, first, second };
}

/** Works off the queue; after every so many jobs it is lost, and swept. */
async function workOff(ledger: Ledger, queue: FakeQueue, lostAfter = Infinity): Promise<readonly Job[]> {
  const executor = new FakeExecutor(ledger);
  const executed: Job[] = [];
  await queue.publish();
  for (let count = 1; queue.jobs.length > 0; count++) {
    const { job } = queue.jobs[0]!;
    if ((await executor.execute(job)) === 'completed') executed.push(job);
    queue.acknowledge(job);
    await queue.publish();
    if (count % lostAfter === 0) queue.lose();
    await sweep(ledger, queue);
    await queue.publish();
  }
  return executed;
}

describe('jobs that the queue lost', () => {
  it('are published again, in other messages: the stream takes no id twice', async () => {
    const { ledger, queue, first, second } = await begun();
    expect(await sweep(ledger, queue)).toEqual({});
    const messages = queue.jobs.map(({ messageId }) => messageId);
    queue.lose(({ chunk }) => chunk === second.chunk);
    expect(await sweep(ledger, queue)).toEqual({ [COMPOSE]: 1 });
    await queue.publish();
    expect(queue.jobs.map(({ job }) => job)).toEqual([first, second]);
    expect(messages).not.toContain(queue.jobs[1]?.messageId);
    queue.lose();
    expect(await sweep(ledger, queue)).toEqual({ [COMPOSE]: 2 });
    await queue.publish();
    expect(new Set([...messages, ...queue.jobs.map(({ messageId }) => messageId)]).size).toBe(4);
  });

  it('are published once, also when two look at the same time, and not while they are in the outbox', async () => {
    const { ledger, queue } = await begun();
    queue.lose();
    const both = await Promise.all([1, 2, 3].map(() => sweep(ledger, queue)));
    expect(both.filter((swept) => Object.keys(swept).length > 0)).toEqual([{ [COMPOSE]: 2 }]);
    expect(await sweep(ledger, queue)).toEqual({});
    await queue.publish();
    expect(queue.jobs).toHaveLength(2);
  });

  it('wait for whoever still works on them: then they are done, or published again', async () => {
    const { ledger, queue, first, second } = await begun();
    const begin = (job: Job) => ledger.transaction((tx) => beginChunk(tx, job, EXECUTOR));
    const [one, two] = [await begin(first), await begin(second)];
    if (one.status !== 'ready' || two.status !== 'ready') throw new Error('The jobs are not taken.');
    queue.lose();
    expect(await sweep(ledger, queue)).toEqual({});
    const outcome = outcomeOf(first, one.spec, one.range);
    await ledger.transaction((tx) => completeChunk(tx, first, one.execution, outcome));
    await ledger.leases.release(two.execution.lease);
    expect(await sweep(ledger, queue)).toEqual({ [COMPOSE]: 1 });
    await queue.publish();
    expect(queue.jobs.find(({ subject }) => subject === COMPOSE)?.job).toEqual(second);
    expect(await begin(second)).toMatchObject({ status: 'ready', execution: { attempt: { attempt: 2 } } });
  });

  it('of a chunk that is done in part go on where it is', async () => {
    const { ledger, queue, first } = await begun();
    const begun1 = await ledger.transaction((tx) => beginChunk(tx, first, EXECUTOR));
    if (begun1.status !== 'ready') throw new Error('The job is not taken.');
    const part = { from: begun1.range.from, to: begun1.range.from + 5 };
    await ledger.transaction((tx) =>
      completeChunk(tx, first, begun1.execution, { ...outcomeOf(first, begun1.spec, part), range: part }),
    );
    queue.acknowledge(first);
    await queue.publish();
    queue.lose();
    expect(await sweep(ledger, queue)).toEqual({ [COMPOSE]: 2 });
    await queue.publish();
    const rest = queue.jobs.find(({ job }) => job.chunk === first.chunk)!.job;
    const again = await ledger.transaction((tx) => beginChunk(tx, rest, EXECUTOR));
    expect(again).toMatchObject({ status: 'ready', range: { from: part.to, to: begun1.range.to } });
  });

  it('and that nobody wants any more stay lost', async () => {
    const { ledger, queue, run } = await begun();
    queue.lose();
    await ledger.transaction((tx) => cancelRun(tx, run));
    expect(await sweep(ledger, queue)).toEqual({});
  });

  it.each([1, 3])('after every %i jobs change nothing: the run ends, and each chunk is done once', async (every) => {
    const { ledger } = fixture;
    const queue = new FakeQueue(ledger);
    const run = await start(ledger);
    const executed = await workOff(ledger, queue, every);
    const view = await ledger.runs.view(run);
    expect(view).toMatchObject({ state: 'succeeded', step: 18 });
    const chunks = view.stages.reduce((sum, { chunks }) => sum + chunks, 0);
    expect(executed).toHaveLength(chunks);
    expect(new Set(executed.map(({ stage, chunk }) => `${stage}:${chunk}`)).size).toBe(chunks);
  });
});
