import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { sendStream } from './send-stream.ts';

const PIECE = Buffer.alloc(1 << 18);

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function serve(answer: RequestListener): Promise<URL> {
  server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

function send(url: URL, stream: AsyncIterable<Uint8Array>, signal = new AbortController().signal): Promise<Response> {
  return sendStream(url, { method: 'POST', headers: {}, signal, stream });
}

it('takes of the source only what the server takes', async () => {
  let taken = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield await Promise.resolve(PIECE);
      taken += 1;
    }
  }
  const url = await serve(() => undefined);
  const leaving = new AbortController();
  const sent = send(url, endless(), leaving.signal);
  let before = -1;
  // What the two sockets hold, and then nothing more.
  while (taken === 0 || taken !== before) {
    before = taken;
    await sleep(200);
  }
  expect(taken * PIECE.length).toBeLessThan(64 << 20);
  leaving.abort();
  await expect(sent).rejects.toThrow(/abort/i);
});

it('hears a refusal that comes before the end of the body', async () => {
  const url = await serve((request, response) => {
    request.once('data', () => response.writeHead(413).end('too large'));
    request.resume();
  });
  async function* long(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 100; i++) yield await sleep(1, PIECE);
  }
  const answer = await send(url, long());
  expect([answer.status, await answer.text()]).toEqual([413, 'too large']);
});
