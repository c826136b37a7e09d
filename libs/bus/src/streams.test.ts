import { jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { APPS, FUNCTIONS, QUEUES } from '@solopo/functions';
import { startNats, type TestNats } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { provisionStreams } from './streams.provisioning.ts';
import { consumerName, EVENTS, WORK } from './streams.ts';
import { testFunction } from './worker.fixture.ts';

let nats: TestNats;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await startNats();
  connection = await connectNats(nats.url, 'test');
});

afterAll(async () => {
  await connection.close();
  await nats.stop();
});

describe('provisioning', () => {
  it('makes every stream and one consumer a queue, and the second time changes nothing', async () => {
    const first = await provisionStreams(connection);
    expect(first.every(({ change }) => change === 'created')).toBe(true);
    expect(first.map(({ target }) => target)).toEqual([
      'stream WORK',
      'stream EVENTS',
      'stream DEAD',
      'stream WANTED',
      ...QUEUES.map((queue) => `consumer ${consumerName(queue)}`),
      ...APPS.map((app) => `consumer wanted-${app}`),
    ]);
    const second = await provisionStreams(connection);
    expect(second.filter(({ change }) => change !== 'unchanged')).toEqual([]);
  });

  it('updates what differs and says what, and names consumers that no function needs', async () => {
    const [changed] = await provisionStreams(connection, { stream: { max_bytes: 1024 * 1024 } });
    expect(changed).toEqual({
      target: 'stream WORK',
      change: 'updated',
      differences: { max_bytes: { from: 64 * 1024 * 1024, to: 1024 * 1024 } },
    });

    const spec = testFunction({ ackWaitMs: 7000 });
    const changes = await provisionStreams(connection, { functions: [spec] });
    expect(changes.find(({ target }) => target === 'consumer datagen-compose')).toMatchObject({
      change: 'updated',
      differences: { ack_wait: { from: FUNCTIONS.compose.ackWaitMs * 1e6, to: 7_000_000_000 } },
    });
    expect(changes.filter(({ change }) => change === 'obsolete').map(({ target }) => target)).toContain(
      'consumer trainer-train',
    );
    const manager = await jetstreamManager(connection);
    expect((await manager.consumers.info(WORK, 'datagen-compose')).config.ack_wait).toBe(7_000_000_000);
  });

  it('refuses a stream whose retention can no longer change', async () => {
    const manager = await jetstreamManager(connection);
    await manager.streams.delete(EVENTS);
    await manager.streams.add({
      name: EVENTS,
      subjects: ['events.>'],
      retention: RetentionPolicy.Interest,
      storage: StorageType.File,
    });
    await expect(provisionStreams(connection)).rejects.toThrow(/stream EVENTS has another retention/);
  });
});
