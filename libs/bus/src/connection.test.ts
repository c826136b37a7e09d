import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startNats, startProxy, waitFor } from '@solopo/testing';
import { expect, it } from 'vitest';
import { connectNats, parseNatsUrl } from './connection.ts';

it.each([
  ['nats://127.0.0.1:4222', { servers: ['nats://127.0.0.1:4222'] }],
  ['nats://ada:p%40ss@nats.example.org:4222', { servers: ['nats://nats.example.org:4222'], user: 'ada', pass: 'p@ss' }],
  ['tls://ada:secret@nats.example.org', { servers: ['tls://nats.example.org'], user: 'ada', pass: 'secret' }],
])('%s is an address and who asks', (url, address) => {
  expect(parseNatsUrl(url)).toEqual(address);
});

it('shows its user and password to a server that asks for them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'solopo-nats-users-'));
  const config = join(folder, 'nats.conf');
  await writeFile(config, 'authorization { user: ada, password: "p@ss" }\n');
  const server = await startNats({ config });
  try {
    const connection = await connectNats(`nats://ada:p%40ss@127.0.0.1:${server.port}`, 'test');
    await connection.close();
    await expect(connectNats(server.url, 'test')).rejects.toThrow('correct SOLOPO_NATS_URL');
  } finally {
    await server.stop();
    await rm(folder, { recursive: true });
  }
});

it('finds a server that is gone without a word, and comes back', async () => {
  const server = await startNats();
  const way = await startProxy(server.port);
  try {
    const connection = await connectNats(`nats://127.0.0.1:${way.port}`, 'test', { pingMs: 500 });
    expect(way.silence()).toBe(1);
    await waitFor(
      'it answers again',
      () =>
        Promise.race([connection.rtt(), sleep(500, undefined)]).then(
          (ms) => ms !== undefined,
          () => false,
        ),
      60_000,
    );
    await connection.close();
  } finally {
    await way.stop();
    await server.stop();
  }
});
