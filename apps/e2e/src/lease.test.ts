import { setTimeout as sleep } from 'node:timers/promises';
import { leaseMsOf } from '@solopo/functions';
import type { LeaseRecord } from '@solopo/ledger';
import { waitFor } from '@solopo/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System } from './system.ts';
import { engineOf, pidOf } from './worker.processes.ts';

/** As functions have it: shorter ones are missed by workers that are well, on a machine that runs other tests. */
const ACK_WAIT_MS = 6000;
const LIMIT_MS = 400_000;
const WORKERS = ['datagen', 'datagen-2', 'reward', 'trainer'] as const;

/** Two workers of datagen. */
let system: System;
beforeAll(async () => {
  system = await System.start();
  await system.setAckWait(ACK_WAIT_MS);
  await prepareRetrieval(system, 250);
  for (const name of WORKERS) system.startWorker(name === 'datagen-2' ? 'datagen' : name, {}, name);
}, 180_000);
afterAll(() => system.close());

const configOf = (seed: number) =>
  retrievalRun({ seed, sampling: { samplesPerContext: 32, temperature: 0.85, maxNewTokens: 3 } });

test(
  'an engine that says nothing for three times the ack wait keeps its job, which is executed once',
  async () => {
    const { id } = await system.createRun(configOf(1));
    const { worker, job } = await sampling(id);
    const engine = await waitFor('the engine runs', () => engineOf(pidOf(worker)));
    process.kill(engine, 'SIGSTOP');
    await sleep(3 * ACK_WAIT_MS);
    expect(await holds(worker)).toBe(true);
    process.kill(engine, 'SIGCONT');
    const view = await system.finished(id, LIMIT_MS);
    expect(view).toMatchObject({ state: 'succeeded' });
    expect(view.work.jobs).toBeGreaterThan(10);
    expect(await system.ledger.attempts.list(job)).toMatchObject([{ attempt: 1, worker, outcome: 'completed' }]);
  },
  2 * LIMIT_MS,
);

test(
  'a worker frozen beyond its lease costs one more execution, and leaves no second result',
  async () => {
    const { id } = await system.createRun(configOf(2));
    const lease = await sampling(id);
    const frozen = pidOf(lease.worker);
    process.kill(frozen, 'SIGSTOP');
    const attempts = () => system.ledger.attempts.list(lease.job);
    await waitFor('the other takes over', async () => (await attempts()).length === 2, 10 * leaseMsOf(ACK_WAIT_MS));
    process.kill(frozen, 'SIGCONT');
    const view = await system.finished(id, LIMIT_MS);
    expect(view).toMatchObject({ state: 'succeeded' });
    expect(view.work.executions).toBeGreaterThan(view.work.jobs);
    const [lost, done, ...more] = await attempts();
    expect(more).toEqual([]);
    expect(lost).toMatchObject({ worker: lease.worker });
    // It woke up to a lost lease, or to a chunk that was done.
    expect(lost?.outcome).toMatch(/^(lease-lost|already-done)$/);
    expect(done?.outcome).toBe('completed');
    expect(done?.worker).not.toBe(lease.worker);
  },
  2 * LIMIT_MS,
);

async function sampling(run: string): Promise<LeaseRecord> {
  return waitFor(
    'a worker samples',
    async () => {
      const stages = (await system.ledger.runs.stages(run)).map(({ digest }) => digest);
      return (await system.ledger.leases.ofStages(stages)).find(({ kind }) => kind === 'sample');
    },
    LIMIT_MS,
  );
}

async function holds(worker: string): Promise<boolean> {
  return (await system.ledger.leases.active()).some((lease) => lease.worker === worker && lease.kind === 'sample');
}
