import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { sha256, type Job } from '@solopo/contracts';
import { startNats, waitFor, type TestNats } from '@solopo/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { pullNow } from './delivery.ts';
import { HeldJobs } from './held.jobs.ts';
import { QueueStats } from './queue.stats.ts';
import { provisionStreams } from './streams.provisioning.ts';
import { WORK } from './streams.ts';
import { SUBJECT } from './worker.fixture.ts';

/** What the server does that a reader of its documentation would not expect, and what the queues are in spite of it. */
let nats: TestNats;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(() => nats.stop());

beforeEach(async () => {
  connection = await connectNats(nats.url, 'test');
  await provisionStreams(connection);
});

afterEach(async () => {
  const manager = await jetstreamManager(connection);
  await manager.streams.delete(WORK);
  await connection.close();
});

const CONSUMER = 'datagen-compose';
const LONG_MS = 600_000;

const jobOf = (chunk: number): Job => ({ id: `job-${chunk}`, stage: sha256('stage'), chunk });
const publish = (job: Job, msgID: string = job.id) =>
  jetstream(connection).publish(SUBJECT, JSON.stringify(job), { msgID });
const pull = async () => {
  const delivery = await pullNow(connection, CONSUMER);
  return delivery === null ? null : { delivery, job: JSON.parse(delivery.text()) as Job };
};
const queue = async () => (await new QueueStats(connection).queues()).find(({ subject }) => subject === SUBJECT)!;

it('an id that the stream had is acknowledged and not stored, after a purge too: what is lost comes under another', async () => {
  await publish(jobOf(1));
  const manager = await jetstreamManager(connection);
  await manager.streams.purge(WORK);
  expect(await publish(jobOf(1))).toMatchObject({ duplicate: true });
  expect(await new HeldJobs(connection).counts()).toEqual(new Map());
  // As the sweep publishes it.
  expect(await publish(jobOf(1), 'job-1:again-1')).toMatchObject({ duplicate: false });
  expect((await pull())?.job).toEqual(jobOf(1));
});

it('a job that came often comes again, and whoever scales workers sees it: no limit of deliveries hides it', async () => {
  await publish(jobOf(1));
  for (let delivery = 1; delivery <= 30; delivery++) {
    const given = await waitFor('it comes again', async () => (await pull()) ?? undefined);
    expect(given.delivery.count).toBe(delivery);
    given.delivery.giveBack();
  }
  const { waiting, unacknowledged } = await queue();
  expect(waiting + unacknowledged).toBe(1);
});

it('jobs that wait to be tried again keep no other from being given, however many they are', async () => {
  const many = Array.from({ length: 1100 }, (_, index) => jobOf(index));
  await Promise.all(many.map((job) => publish(job)));
  for (const job of many) {
    const given = await pull();
    expect(given?.job).toEqual(job);
    given?.delivery.giveBack(LONG_MS);
  }
  expect(await pull()).toBeNull();
  await publish(jobOf(5000));
  expect((await pull())?.job).toEqual(jobOf(5000));
});

it('a job is tried again after its own delay, and each of two that are given back together', async () => {
  await publish(jobOf(1));
  await publish(jobOf(2));
  const [one, two] = [await pull(), await pull()];
  const given = performance.now();
  one?.delivery.giveBack(300);
  two?.delivery.giveBack(300);
  expect(await pull()).toBeNull();
  const again: number[] = [];
  await expect
    .poll(
      async () => {
        const next = await pull();
        if (next !== null) again.push(next.job.chunk);
        return again.toSorted();
      },
      { timeout: 10_000 },
    )
    .toEqual([1, 2]);
  expect(performance.now() - given).toBeGreaterThan(250);
});
