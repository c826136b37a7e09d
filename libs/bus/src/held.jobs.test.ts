import { jetstream } from '@nats-io/jetstream';
import { sha256, type Job } from '@solopo/contracts';
import { startNats, type TestNats } from '@solopo/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { pullNow } from './delivery.ts';
import { HeldJobs } from './held.jobs.ts';
import { provisionStreams } from './streams.provisioning.ts';
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
