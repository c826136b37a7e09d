import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats, provisionStreams, type JobReport } from '@solopo/bus';
import { runConfigSchema, sha256, type Example } from '@solopo/contracts';
import { FUNCTIONS, type FunctionSpec } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import type { Service } from '@solopo/platform';
import { spawnSource, startNats, startPostgres, waitFor, type TestNats, type TestPostgres } from '@solopo/testing';
import { startRun } from '@solopo/workflow';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { JobFunction } from './job.function.ts';
import { NOTHING, SPEC, startLeaseWorker } from './lease.fixture.ts';

let postgres: TestPostgres;
let nats: TestNats;
let ledger: Ledger;
let databaseUrl: string;
let folder: string;
let services: Service[];
let reports: JobReport[];
let seed = 0;

beforeAll(async () => {
  [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
  databaseUrl = await postgres.createDatabase();
  ledger = Ledger.open(databaseUrl);
  await ledger.migrate();
  await ledger.models.register({
    digest: sha256('m'),
    name: 'm',
    family: 'qwen2',
    config: {},
    files: {},
    parameters: 1,
  });
  const example: Example = { id: '1', question: '?', answers: ['!'], documents: [{ text: 'here', relevant: true }] };
  const dataset = { digest: sha256('d'), name: 'd', format: 'solopo', examples: 1, rejected: [], rejectedCount: 0 };
  await ledger.transaction((tx) => tx.datasets.register(dataset, [example]));
  const connection = await connectNats(nats.url, 'migrator');
  const functions = Object.values<FunctionSpec>(FUNCTIONS).map((spec) => (spec.name === SPEC.name ? SPEC : spec));
  await provisionStreams(connection, { functions });
  await connection.close();
  folder = mkdtempSync(join(tmpdir(), 'solopo-lease-'));
});

beforeEach(() => {
  services = [];
  reports = [];
});

afterEach(async () => void (await Promise.all(services.map((service) => service.close()))));

afterAll(async () => {
  await ledger.close();
  await Promise.all([postgres.stop(), nats.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

async function work(execute: JobFunction<'compose'>['execute']): Promise<void> {
  const report = (told: JobReport): void => void reports.push(told);
  services.push(
    await startLeaseWorker({ databaseUrl, natsUrl: nats.url, artifacts: folder, work: { execute }, report }),
  );
}

/** A run of one job, which is published once a worker's relay is there. */
async function startComposing() {
  const config = runConfigSchema.parse({
    name: 'a run',
    model: 'm',
    dataset: 'd',
    seed: ++seed,
    contexts: { long: { documents: 1 } },
  });
  const id = await ledger.transaction((tx) => startRun(tx, config));
  const stage = (await ledger.runs.stages(id)).find(({ kind }) => kind === 'compose')!;
  const attempts = () => ledger.attempts.list(`${stage.digest}:0`);
  const done = () =>
    waitFor('the stage is done', async () => (await ledger.stages.require(stage.digest)).state === 'done');
  return { id, stage: stage.digest, attempts, done };
}

it('a job that is silent for three times the ack wait is executed once, by one of two workers', async () => {
  const { id, stage, attempts, done } = await startComposing();
  let executions = 0;
  const execute = async () => {
    executions++;
    await sleep(3 * SPEC.ackWaitMs);
    return NOTHING;
  };
  await Promise.all([work(execute), work(execute)]);
  await done();
  expect(executions).toBe(1);
  expect(await attempts()).toMatchObject([{ attempt: 1, outcome: 'completed' }]);
  expect((await ledger.runs.view(id)).work).toEqual({ jobs: 1, executions: 1 });
  expect(await ledger.leases.ofStages([stage])).toEqual([]);
});

it('a job that another holds is no attempt, and is taken once that lets go', async () => {
  const { stage, attempts, done } = await startComposing();
  const lease = { stage, chunk: 0, fencing: 0 };
  await ledger.leases.take({ ...lease, job: 'another', attempt: 1, worker: 'another' }, 60_000);
  let executions = 0;
  await work(() => {
    executions++;
    return Promise.resolve(NOTHING);
  });
  await waitFor('the job is given back', () => reports.some(({ outcome }) => outcome === 'held'));
  expect(await attempts()).toEqual([]);
  // It comes again when the lease would end: soon, from here on.
  await ledger.leases.renew(lease, 1, null);
  await ledger.transaction((tx) =>
    tx.outbox.add([{ subject: SPEC.subject, messageId: 'again', payload: jobOf(stage) }]),
  );
  await done();
  expect(executions).toBe(1);
  expect(await attempts()).toMatchObject([{ attempt: 1, outcome: 'completed' }]);
});

it('a worker frozen beyond its lease leaves nothing: one result, of the worker that took over', async () => {
  const { id, attempts, done } = await startComposing();
  const file = join(folder, 'go');
  const frozen = spawnSource(new URL('./lease.process.fixture.ts', import.meta.url), [
    databaseUrl,
    nats.url,
    folder,
    file,
  ]);
  await frozen.line('began', 60_000);
  frozen.kill('SIGSTOP');
  const refused = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await work(async () => {
    begun.resolve();
    await refused.promise;
    return NOTHING;
  });
  await begun.promise;
  writeFileSync(file, '');
  frozen.kill('SIGCONT');
  await frozen.line('outcome lost');
  expect(await attempts()).toMatchObject([
    { attempt: 1, outcome: 'lease-lost' },
    { attempt: 2, outcome: null },
  ]);
  refused.resolve();
  await done();
  await waitFor('the job is done', () => reports.some(({ outcome }) => outcome === 'done'));
  expect(await attempts()).toMatchObject([
    { worker: expect.stringMatching(`:${frozen.pid}$`) as string, outcome: 'lease-lost' },
    { worker: expect.stringMatching(`:${process.pid}$`) as string, outcome: 'completed' },
  ]);
  expect(reports.map(({ outcome }) => outcome)).not.toContain('dead-letter');
  expect((await ledger.runs.view(id)).work).toEqual({ jobs: 1, executions: 2 });
  frozen.kill();
  await frozen.exited;
});

it('a job whose workers died again and again is a dead letter, unexecuted, and its run fails', async () => {
  const { id, stage } = await startComposing();
  const died = { job: `${stage}:0`, stage, chunk: 0, worker: 'gone', version: '0.1.0' };
  for (let crash = 0; crash < SPEC.maxAttempts + 2; crash++) await ledger.attempts.begin(died);
  let executions = 0;
  await work(() => {
    executions++;
    return Promise.resolve(NOTHING);
  });
  await waitFor('the run fails', async () => (await ledger.runs.view(id)).state === 'failed');
  expect(executions).toBe(0);
  expect((await ledger.deadLetters.list(1))[0]).toMatchObject({ attempts: 7, code: 'engine-failed' });
  expect(await ledger.attempts.list(`${stage}:0`)).toHaveLength(7);
});

function jobOf(stage: string) {
  return { id: `${stage}:0`, stage, chunk: 0 };
}
