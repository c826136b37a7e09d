import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { useGateway } from '../testing/gateway.fixture.ts';

const WINDOW_MS = 300;
const gateway = useGateway({ slowBodyMs: WINDOW_MS });

function upload(bytes: number): Socket {
  const client = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  client.on('error', () => undefined);
  client.write(`POST /v1/artifacts HTTP/1.1\r\nhost: ${new URL(gateway.url).host}\r\ncontent-length: ${bytes}\r\n\r\n`);
  return client;
}

it('a body that drips is cut off, and told why', async () => {
  const client = upload(1_000_000);
  const drip = setInterval(() => client.write('x'), 20);
  try {
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 408 .*"code":"request-timeout"/s);
    if (!client.closed) await once(client, 'close');
  } finally {
    clearInterval(drip);
    client.destroy();
  }
});

it('a body that takes its time is taken', async () => {
  const piece = Buffer.alloc(65_536);
  const pieces = 4;
  const client = upload(pieces * piece.length);
  const answered = once(client, 'data') as Promise<[Buffer]>;
  for (let sent = 0; sent < pieces; sent++) {
    client.write(piece);
    await sleep(WINDOW_MS / 2);
  }
  expect(String((await answered)[0])).toMatch(/^HTTP\/1\.1 201 /);
  client.destroy();
});
