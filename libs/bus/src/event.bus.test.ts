import { rm } from 'node:fs/promises';
import type { RunEvent } from '@solopo/contracts';
import { startNats, waitFor, type TestNats } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, type NatsConnection } from './connection.ts';
import { EventBus, type SequencedEvent } from './event.bus.ts';
import { provisionStreams } from './streams.provisioning.ts';

let nats: TestNats;
let connection: NatsConnection;
let bus: EventBus;

beforeAll(async () => {
  nats = await startNats();
  connection = await connectNats(nats.url, 'test');
  bus = new EventBus(connection);
  await provisionStreams(connection);
});

afterAll(async () => {
  await connection.close();
  await nats.stop();
});

function step(run: string, n: number): RunEvent {
  return { type: 'run.step', run, at: new Date(0).toISOString(), data: { step: n } };
}

async function take(events: AsyncIterable<SequencedEvent>, count: number): Promise<SequencedEvent[]> {
  const taken: SequencedEvent[] = [];
  for await (const event of events) if (taken.push(event) === count) break;
  return taken;
}

describe('the event bus', () => {
  it('gives a run its history first and then what happens, without the events of others', async () => {
    for (const n of [1, 2]) bus.publish(step('a', n));
    bus.publish(step('b', 1));
    const taking = take(bus.subscribe({ run: 'a' }), 4);
    for (const n of [3, 4]) bus.publish(step('a', n));
    expect((await taking).map(({ event }) => event.data['step'])).toEqual([1, 2, 3, 4]);
  });

  it('goes on after a sequence, for one run or for all', async () => {
    const [, second] = await take(bus.subscribe({ run: 'a' }), 2);
    expect((await take(bus.subscribe({ run: 'a', after: second }), 2)).map(({ event }) => event.data['step'])).toEqual([
      3, 4,
    ]);
    expect((await take(bus.subscribe({ after: second }), 3)).map(({ event }) => event.run)).toEqual(['b', 'a', 'a']);
  });

  it('takes a place from the future, or of another stream, for one that is gone', async () => {
    const [known] = await take(bus.subscribe({ run: 'a' }), 1);
    for (const after of [
      { ...known!, sequence: 1_000_000 },
      { stream: 'another', sequence: 1 },
    ]) {
      const { goesOn, last, events } = await bus.open({ run: 'a', after });
      expect({ goesOn, stream: last.stream }).toEqual({ goesOn: false, stream: known?.stream });
      expect((await take(events, 1))[0]?.event.data['step']).toBe(1);
    }
    const { goesOn, events } = await bus.open({ run: 'a', after: known });
    expect(goesOn).toBe(true);
    expect((await take(events, 1))[0]?.event.data['step']).toBe(2);
  });

  it('passes over what is no event', async () => {
    connection.publish('events.runs.c', 'not an event');
    bus.publish(step('c', 1));
    expect(await take(bus.subscribe({ run: 'c' }), 1)).toHaveLength(1);
  });

  it('ends when it is told to', async () => {
    const ending = new AbortController();
    setTimeout(() => ending.abort(), 200);
    const taken: SequencedEvent[] = [];
    for await (const event of bus.subscribe({ run: 'a', signal: ending.signal })) taken.push(event);
    expect(taken).toHaveLength(4);
  });

  it('ends when its stream is lost, and the next one says that it does not go on', async () => {
    const { events, last } = await bus.open({ checkMs: 50 });
    const seen: SequencedEvent[] = [];
    const ended = (async () => {
      for await (const event of events) seen.push(event);
    })();
    await waitFor('all that is kept', () => seen.at(-1)?.event.run === 'c');
    await nats.kill();
    await rm(nats.dataDir, { recursive: true });
    await nats.restart();
    await waitFor('the server', () =>
      connection.rtt().then(
        () => true,
        () => false,
      ),
    );
    await provisionStreams(connection);
    await ended;
    const next = await bus.open({ after: seen.at(-1) });
    expect(next.goesOn).toBe(false);
    expect(next.last).toMatchObject({ sequence: 0 });
    expect(next.last.stream).not.toBe(last.stream);
    bus.publish(step('d', 1));
    expect((await take(next.events, 1))[0]).toMatchObject({ stream: next.last.stream, sequence: 1 });
  });
});
