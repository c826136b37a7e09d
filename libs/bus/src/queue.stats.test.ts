import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { startNats, type TestNats } from '@solopo/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { QueueStats } from './queue.stats.ts';
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

it('a queue tells what waits, what is worked on, how old the oldest job is, and how far it is acknowledged', async () => {
  const stats = new QueueStats(connection);
  const queue = async () => (await stats.queues()).find(({ subject }) => subject === SUBJECT);
  expect(await queue()).toEqual({
    app: 'datagen',
    subject: SUBJECT,
    waiting: 0,
    unacknowledged: 0,
    oldestSeconds: 0,
    acknowledgedSequence: 0,
  });

  const client = jetstream(connection);
  await client.publish('jobs.reward.score', 'of another queue');
  const published = performance.now();
  await client.publish(SUBJECT, 'first');
  await sleep(300);
  await client.publish(SUBJECT, 'second');
  const waiting = await queue();
  expect(waiting).toMatchObject({ waiting: 2, unacknowledged: 0 });
  expect(waiting?.oldestSeconds).toBeGreaterThan(0.25);
  expect(waiting?.oldestSeconds).toBeLessThan((performance.now() - published) / 1000 + 0.1);

  const consumer = await client.consumers.get('WORK', 'datagen-compose');
  const message = await consumer.next({ expires: 2000 });
  expect(await queue()).toMatchObject({ waiting: 1, unacknowledged: 1, acknowledgedSequence: 0 });
  await message?.ackAck();
  expect(await queue()).toMatchObject({ waiting: 1, unacknowledged: 0, acknowledgedSequence: 2 });
  await (await consumer.next({ expires: 2000 }))?.ackAck();
  expect(await queue()).toMatchObject({ waiting: 0, oldestSeconds: 0, acknowledgedSequence: 3 });

  expect(await stats.streams()).toEqual([
    expect.objectContaining({ stream: 'WORK', messages: 1, maxBytes: 64 * 1024 * 1024 }),
    expect.objectContaining({ stream: 'EVENTS', messages: 0 }),
    expect.objectContaining({ stream: 'DEAD', messages: 0 }),
    expect.objectContaining({ stream: 'WANTED', messages: 0 }),
  ]);
});
