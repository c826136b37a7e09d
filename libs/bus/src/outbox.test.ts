import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Ledger, type NewMessage } from '@solopo/ledger';
import { startNats, startPostgres, waitFor, type TestNats, type TestPostgres } from '@solopo/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { OutboxRelay, type OutboxStore } from './outbox.relay.ts';
import { provisionStreams } from './streams.provisioning.ts';
import { WORK } from './streams.ts';
import { SUBJECT, testFunction } from './worker.fixture.ts';

let postgres: TestPostgres;
let nats: TestNats;
let connection: NatsConnection;
let ledger: Ledger;
let relays: OutboxRelay[];
let written = 0;

beforeAll(async () => {
  Logger.overrideLogger(false);
  [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
});

afterAll(() => Promise.all([postgres.stop(), nats.stop()]));

beforeEach(async () => {
  relays = [];
  connection = await connectNats(nats.url, 'test');
  await provisionStreams(connection, { functions: [testFunction()] });
  ledger = Ledger.open(await postgres.createDatabase());
  await ledger.migrate();
});

afterEach(async () => {
  await Promise.all(relays.map((relay) => relay.stop()));
  await ledger.close();
  const manager = await jetstreamManager(connection);
  for await (const { config } of manager.streams.list()) await manager.streams.delete(config.name);
  await connection.close();
});

function startRelay(over: NatsConnection = connection, store: OutboxStore = ledger): OutboxRelay {
  const relay = new OutboxRelay(over, store);
  relay.start();
  relays.push(relay);
  return relay;
}

async function commit(count: number): Promise<NewMessage[]> {
  const messages = Array.from({ length: count }, () => ({
    subject: SUBJECT,
    messageId: `message-${++written}`,
    payload: { n: written },
  }));
  await ledger.transaction((tx) => tx.outbox.add(messages));
  return messages;
}

const inQueue = async (): Promise<number> =>
  (await (await jetstreamManager(connection)).streams.info(WORK)).state.messages;
const unpublished = async (): Promise<number> => (await ledger.outbox.backlog()).unpublished;
const published = () => waitFor('the outbox is empty', async () => (await unpublished()) === 0);

describe('the outbox relay', () => {
  it('publishes what is committed, in order, and nothing of what is not', async () => {
    startRelay();
    const rolledBack = ledger.transaction(async (tx) => {
      await tx.outbox.add([{ subject: SUBJECT, messageId: 'never', payload: {} }]);
      throw new Error('rolled back');
    });
    await expect(rolledBack).rejects.toThrow('rolled back');
    const messages = await commit(250);
    await published();
    expect(await inQueue()).toBe(250);
    const consumer = await jetstream(connection).consumers.get(WORK, 'datagen-compose');
    const received: unknown[] = [];
    for await (const message of await consumer.fetch({ max_messages: 250, expires: 5000 }))
      received.push(message.json());
    expect(received).toEqual(messages.map(({ payload }) => payload));
  });

  it('flushes: what was committed before is in the queue when the promise resolves', async () => {
    const relay = startRelay();
    for (const count of [250, 1, 0]) {
      await commit(count);
      await relay.flush();
      expect(await unpublished()).toBe(0);
    }
    expect(await inQueue()).toBe(251);
  });

  it('flushes no longer than NATS is there, and not at all once it has stopped', async () => {
    const lost = await connectNats(nats.url, 'lost');
    await lost.close();
    const relay = startRelay(lost);
    await commit(1);
    await relay.flush();
    expect(await unpublished()).toBe(1);
    await relay.stop();
    await relay.flush();
  });

  it('publishes right after a commit, told by the ledger', async () => {
    startRelay();
    await sleep(400);
    const latencies: number[] = [];
    for (let round = 0; round < 5; round++) {
      const before = (await inQueue()) + 1;
      await commit(1);
      const started = performance.now();
      while ((await inQueue()) < before) await sleep(2);
      latencies.push(performance.now() - started);
    }
    expect(Math.min(...latencies)).toBeLessThan(100);
  });

  it('publishes each row once when several processes relay', async () => {
    const others = await Promise.all([connectNats(nats.url, 'a'), connectNats(nats.url, 'b')]);
    for (const over of [connection, ...others]) startRelay(over);
    await Promise.all(Array.from({ length: 10 }, () => commit(60)));
    await published();
    expect(await inQueue()).toBe(600);
    expect((await (await jetstreamManager(connection)).streams.info(WORK)).state.last_seq).toBe(600);
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
    await Promise.all(others.map((other) => other.close()));
  });

  it('has rows deleted that were published an hour ago, and looks for such every five minutes', async () => {
    const asked: number[] = [];
    const deleted: number[] = [];
    const store: OutboxStore = {
      onOutbox: (callback) => ledger.onOutbox(callback),
      transaction: (work) =>
        ledger.transaction(({ outbox }) =>
          work({
            outbox: {
              claim: (limit) => outbox.claim(limit),
              markPublished: (ids) => outbox.markPublished(ids),
              // As if the hour were over.
              prune: async (olderThanMs) => {
                asked.push(olderThanMs);
                deleted.push(await outbox.prune(0));
              },
            },
          }),
        ),
    };
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      startRelay(connection, store);
      await waitFor('the first pruning', () => asked.length > 0);
      await commit(3);
      await published();
      vi.advanceTimersByTime(299_000);
      await sleep(500);
      expect(asked).toEqual([3_600_000]);
      vi.advanceTimersByTime(2000);
      await waitFor('the second pruning', () => asked.length > 1);
      await sleep(500);
      expect(asked).toEqual([3_600_000, 3_600_000]);
      expect(deleted).toEqual([0, 3]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('published again after a crash before the mark, a message is stored once', async () => {
    const [message] = await commit(1);
    await jetstream(connection).publish(SUBJECT, JSON.stringify(message?.payload), { msgID: message?.messageId ?? '' });
    startRelay();
    await published();
    expect(await inQueue()).toBe(1);
  });

  it('lets rows wait while NATS is down, and publishes all of them once it is back', async () => {
    startRelay();
    await commit(1);
    await published();
    await nats.kill();
    await commit(30);
    await sleep(600);
    expect(await unpublished()).toBe(30);
    await nats.restart();
    await waitFor('the outbox is empty', async () => (await unpublished()) === 0, 30_000);
    expect(await inQueue()).toBe(31);
  });

  it('lets rows wait while the queue is full, and goes on when work is done', async () => {
    const manager = await jetstreamManager(connection);
    const { config } = await manager.streams.info(WORK);
    await manager.streams.update(WORK, { ...config, max_msgs: 5 });
    startRelay();
    await commit(8);
    await waitFor('the queue is full', async () => (await inQueue()) === 5);
    await sleep(400);
    expect(await unpublished()).toBe(3);
    const consumer = await jetstream(connection).consumers.get(WORK, 'datagen-compose');
    for await (const message of await consumer.fetch({ max_messages: 5, expires: 2000 })) await message.ackAck();
    await published();
    expect(await inQueue()).toBe(3);
  });

  it('publishes on its way out what was committed last', async () => {
    const relay = new OutboxRelay(connection, ledger);
    await commit(2);
    await relay.stop();
    expect(await inQueue()).toBe(2);
  });
});
