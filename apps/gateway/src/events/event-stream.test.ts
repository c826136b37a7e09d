import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { waitFor } from '@solopo/testing';
import express, { type Response } from 'express';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EventLog } from './event-log.ts';
import { streamEvents } from './event-stream.ts';

const EVENTS = 4000;
const log = new EventLog(EVENTS);
log.begin({ stream: 'm1', sequence: EVENTS }, false);
for (let sequence = 1; sequence <= EVENTS; sequence++)
  log.add({
    stream: 'm1',
    sequence,
    event: { type: 'run.step', run: 'a', at: '', data: { text: 'x'.repeat(10_000) } },
  });

let server: Server;
let responses: Response[];
beforeEach(async () => {
  responses = [];
  const app = express();
  app.get('/', (request, response) => {
    responses.push(response);
    const ending = new AbortController();
    response.once('close', () => ending.abort());
    const after = { stream: null, sequence: Number(request.get('last-event-id') ?? 0) };
    const reader = Promise.resolve(log.read({ from: 'start', after }));
    void streamEvents(reader, response, ending.signal, { heartbeatMs: 10, stalledMs: 300 });
  });
  server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function ask(lastEventId = 0): Socket {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write(`GET / HTTP/1.1\r\nhost: x\r\nlast-event-id: ${lastEventId}\r\n\r\n`);
  return client;
}

/** What comes until that one, or the end. */
async function idsFrom(client: Socket, until = Infinity): Promise<number[]> {
  let text = '';
  const ids: number[] = [];
  for await (const piece of client) {
    text += String(piece);
    // An event that is cut in the middle was not had.
    const whole = [...text.matchAll(/id: m1-(\d+)\ndata: [^\n]*\n\n/g)];
    ids.push(...whole.map(([, id]) => Number(id)));
    const last = whole.at(-1);
    if (last) text = text.slice(last.index + last[0].length);
    if ((ids.at(-1) ?? 0) >= until) break;
  }
  return ids;
}

it('a client that does not read costs little, is cut off, and goes on where it was', async () => {
  const client = ask();
  client.pause();
  let most = 0;
  const response = await waitFor('a request', () => responses[0]);
  await waitFor('the end of the stream', () => {
    most = Math.max(most, response.writableLength);
    return response.destroyed;
  });
  // Of 40 MB; what is beyond lies in the buffers of the kernel.
  expect(most).toBeLessThan(300_000);

  const had = await idsFrom(client);
  const last = had.at(-1) ?? 0;
  expect(last).toBeLessThan(EVENTS);
  const rest = await idsFrom(ask(last), EVENTS);
  expect([...had, ...rest]).toEqual(Array.from({ length: EVENTS }, (_, place) => place + 1));
});
