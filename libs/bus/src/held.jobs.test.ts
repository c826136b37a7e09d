import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { sha256, type Job } from '@solopo/contracts';
import { QUEUES } from '@solopo/functions';
import { startNats, waitFor, type TestNats } from '@solopo/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { pullNow } from './delivery.ts';
import { HeldJobs } from './held.jobs.ts';
import { provisionStreams, renewConsumer } from './streams.provisioning.ts';
import { SUBJECT } from './worker.fixture.ts';

let nats: TestNats;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await startNats();
  connection = await connectNats(nats.url, 'test');
  await provisionStreams(connection);
});

afterAll(async () => {
  await connection.close();
  await nats.stop();
});

const jobOf = (chunk: number): Job => ({ id: `job-${chunk}`, stage: sha256('stage'), chunk });

it('what a queue holds is read without taking it: what waits and what a worker has, not what is done', async () => {
  const held = new HeldJobs(connection);
  expect(await held.counts()).toEqual(new Map());
  const client = jetstream(connection);
  const publish = (subject: string, job: Job) => client.publish(subject, JSON.stringify(job), { msgID: job.id });
  for (const chunk of [0, 1, 2]) await publish(SUBJECT, jobOf(chunk));
  await publish('jobs.reward.score', jobOf(3));
  await client.publish(SUBJECT, 'no job');

  const done = await pullNow(connection, 'datagen-compose');
  await done?.acknowledge();
  const working = await pullNow(connection, 'datagen-compose');
  const chunksOf = async (subject: string) => {
    const chunks: number[] = [];
    for await (const { chunk } of held.of(subject)) chunks.push(chunk);
    return chunks;
  };
  expect(await held.counts()).toEqual(
    new Map([
      [SUBJECT, 3],
      ['jobs.reward.score', 1],
    ]),
  );
  expect(await chunksOf(SUBJECT)).toEqual([1, 2]);
  expect(await chunksOf('jobs.reward.score')).toEqual([3]);
  expect(await chunksOf('jobs.trainer.train')).toEqual([]);
  await working?.acknowledge();
  expect(await chunksOf(SUBJECT)).toEqual([2]);
});

it('a message id that the stream had is acknowledged and not stored, though its job is done: a lost job needs another', async () => {
  const client = jetstream(connection);
  const held = new HeldJobs(connection);
  const before = (await held.counts()).get(SUBJECT);
  const again = await client.publish(SUBJECT, JSON.stringify(jobOf(0)), { msgID: 'job-0' });
  expect(again.duplicate).toBe(true);
  expect((await held.counts()).get(SUBJECT)).toBe(before);
  await client.publish(SUBJECT, JSON.stringify(jobOf(0)), { msgID: 'job-0:again-1' });
  expect((await held.counts()).get(SUBJECT)).toBe((before ?? 0) + 1);
});

it('a consumer that passed over what a stream without its end got anew is found, and made anew', async () => {
  const client = jetstream(connection);
  const held = new HeldJobs(connection);
  const spec = QUEUES.find(({ subject }) => subject === SUBJECT)!;
  const take = async () => (await pullNow(connection, 'datagen-compose'))?.acknowledge();
  while ((await held.counts()).has(SUBJECT)) await take();
  await client.publish(SUBJECT, JSON.stringify(jobOf(10)), { msgID: 'kept' });
  const block = readdirSync(nats.dataDir, { recursive: true, encoding: 'utf8' }).find((file) =>
    /WORK.*\.blk$/.test(file),
  );
  const file = join(nats.dataDir, block ?? '');
  const { size } = statSync(file);
  await client.publish(SUBJECT, JSON.stringify(jobOf(11)), { msgID: 'lost' });
  await take();
  await take();
  // The server writes what a consumer has given a moment later.
  await sleep(500);
  await nats.kill();
  truncateSync(file, size);
  await nats.restart();
  await waitFor('the server', () => connection.rtt().then(Boolean, () => false));
  await client.publish(SUBJECT, JSON.stringify(jobOf(12)), { msgID: 'anew' });
  expect(await givenNow()).not.toContain(JSON.stringify(jobOf(12)));
  expect((await held.unseen()).map(({ subject }) => subject)).toEqual([SUBJECT]);
  await renewConsumer(connection, spec);
  expect(await held.unseen()).toEqual([]);
  // With what was acknowledged, and came back.
  expect(await givenNow()).toContain(JSON.stringify(jobOf(12)));
});

async function givenNow(): Promise<readonly string[]> {
  const texts: string[] = [];
  for (;;) {
    const next = await pullNow(connection, 'datagen-compose');
    if (next === null) return texts;
    texts.push(next.text());
  }
}
