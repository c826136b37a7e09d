import { rm } from 'node:fs/promises';
import { EventBus } from '@solopo/bus';
import type { RunEvent } from '@solopo/contracts';
import { waitFor } from '@solopo/testing';
import request from 'supertest';
import { expect, it } from 'vitest';
import { readEvents } from '../testing/event-reader.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';

const gateway = useGateway({ sweepMs: 100 });
const step = (n: number): RunEvent => ({
  type: 'run.step',
  run: 'a',
  at: new Date().toISOString(),
  data: { step: n },
});

it('a client whose events are of a lost stream is told so, and hears what happens from then on', async () => {
  const url = `${gateway.url}/v1/events`;
  const bus = new EventBus(gateway.connection);
  const before = await readEvents(url);
  for (const n of [1, 2, 3]) bus.publish(step(n));
  const [first, , last] = await before.count(3);
  const plain = await readEvents(url, last?.id.split('-')[1]);

  await gateway.nats.kill();
  await rm(gateway.nats.dataDir, { recursive: true });
  await gateway.nats.restart();
  await waitFor('the streams of before to end', () => before.ended && plain.ended, 30_000);
  await waitFor('the gateway is ready', async () => (await request(gateway.url).get('/readyz')).status === 200, 30_000);

  const [resumed, live, next] = await Promise.all([
    readEvents(url, last?.id),
    readEvents(`${url}?from=now`, last?.id),
    readEvents(url),
  ]);
  await waitFor('both are told', () => resumed.restarts.length === 1 && live.restarts.length === 1);
  await waitFor('the connection of the test', () => gateway.connection.rtt().then(Boolean, () => false));
  bus.publish(step(4));
  for (const reader of [resumed, live, next])
    expect((await reader.count(1)).map(({ event }) => event.data['step'])).toEqual([4]);
  expect(next.restarts).toEqual([]);
  const [stream] = first!.id.split('-');
  expect(resumed.events[0]?.id).not.toContain(stream);

  const again = await readEvents(url, resumed.restarts[0]);
  expect((await again.count(1))[0]?.event.data['step']).toBe(4);
  expect(again.restarts).toEqual([]);
  for (const reader of [resumed, live, next, again]) reader.close();
});
