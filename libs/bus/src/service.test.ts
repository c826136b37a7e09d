import { jetstreamManager } from '@nats-io/jetstream';
import { sha256 } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import type { Service } from '@solopo/platform';
import { startNats, startPostgres, startProxy, waitFor, type TestNats, type TestPostgres } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import type { DeadLetter } from './job.runner.ts';
import { RpcClient } from './rpc.client.ts';
import { startFixtureService } from './service.fixture.ts';
import { provisionStreams } from './streams.provisioning.ts';
import { DEAD } from './streams.ts';
import { SUBJECT, testFunction } from './worker.fixture.ts';

let postgres: TestPostgres;
let nats: TestNats;
let connection: NatsConnection;
let ledger: Ledger;
let service: Service;
let client: RpcClient;
const letters: DeadLetter[] = [];

beforeAll(async () => {
  [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
  connection = await connectNats(nats.url, 'test');
  await provisionStreams(connection, { functions: [testFunction()] });
  const databaseUrl = await postgres.createDatabase();
  ledger = Ledger.open(databaseUrl);
  await ledger.migrate();
  service = await startFixtureService(databaseUrl, nats.url, (letter) => letters.push(letter));
  client = new RpcClient(nats.url, 'test');
});

afterAll(async () => {
  await client.close();
  await service.close();
  await ledger.close();
  await connection.close();
  await Promise.all([postgres.stop(), nats.stop()]);
});

describe('a service on the bus', () => {
  it('takes a committed job from the outbox, and its handler puts the next message there', async () => {
    const job = { id: 'job-1', stage: sha256('stage'), chunk: 0 };
    await ledger.transaction((tx) => tx.outbox.add([{ subject: SUBJECT, messageId: job.id, payload: job }]));
    const manager = await jetstreamManager(connection);
    const proof = await waitFor('the proof', () =>
      manager.streams
        .getMessage(DEAD, { last_by_subj: 'dead.proof' })
        .catch(() => undefined)
        .then((found) => found ?? undefined),
    );
    expect(proof.json()).toEqual({ job: 'job-1', attempt: 1 });
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain('solopo_job_seconds_count{subject="jobs.datagen.compose",outcome="done"} 1');
    expect(await (await fetch(`${service.url}/readyz`)).json()).toEqual({ ready: true, checks: { nats: 'ok' } });
  });

  it('sees the error of a handler as it is', async () => {
    const job = { id: 'bad', stage: sha256('stage'), chunk: 0 };
    await ledger.transaction((tx) => tx.outbox.add([{ subject: SUBJECT, messageId: job.id, payload: job }]));
    await waitFor('the dead letter', () => letters.length > 0);
    expect(letters).toMatchObject([
      { job, attempts: 1, error: { code: 'model-invalid', message: 'The model is no model; register another.' } },
    ]);
  });

  it('answers questions, and its errors keep code, message and details', async () => {
    expect(await client.call('fixture.double', { n: 21 }, 2000)).toEqual({ n: 42 });
    await expect(client.call('fixture.double', { n: -1 }, 2000)).rejects.toMatchObject({
      code: 'input-invalid',
      message: 'n is negative; give a positive one.',
      details: { n: -1 },
    });
  });

  it('lets a question wait no longer than its limit, and says when nobody is there', async () => {
    await expect(client.call('fixture.never', {}, 200)).rejects.toMatchObject({ code: 'timeout', status: 504 });
    await expect(client.call('fixture.unknown', {}, 2000)).rejects.toMatchObject({ code: 'not-ready', status: 503 });
  });

  it('answers whoever asked by a connection that is gone without a word, by the next', async () => {
    const way = await startProxy(nats.port);
    const asking = new RpcClient(`nats://127.0.0.1:${way.port}`, 'test', { pingMs: 300 });
    const ask = () => asking.call('fixture.double', { n: 21 }, 1000);
    try {
      expect(await ask()).toEqual({ n: 42 });
      expect(way.silence()).toBe(1);
      await expect(ask()).rejects.toMatchObject({ code: 'timeout' });
      await waitFor('an answer', () => ask().catch(() => false), 30_000);
    } finally {
      await asking.close();
      await way.stop();
    }
  });

  it('is not ready while NATS is away', async () => {
    await nats.kill();
    const away = await fetch(`${service.url}/readyz`);
    expect(away.status).toBe(503);
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    await nats.restart();
    await waitFor('ready again', async () => (await fetch(`${service.url}/readyz`)).ok);
  });

  it('stops in order and soon', async () => {
    const started = performance.now();
    await service.close();
    expect(performance.now() - started).toBeLessThan(5000);
    await expect(fetch(`${service.url}/healthz`)).rejects.toThrow();
  });
});
