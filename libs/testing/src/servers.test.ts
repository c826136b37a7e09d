import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { scratch, spawnSource, startNats, startPostgres, startProxy, waitFor } from './index.ts';

async function select(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}

describe('servers for tests', () => {
  it('gives each caller an empty database', async () => {
    const postgres = await startPostgres();
    try {
      const [one, two] = [await postgres.createDatabase(), await postgres.createDatabase()];
      await select(one, 'create table t as select 7 as n');
      expect(await select(one, 'select n from t')).toEqual([{ n: 7 }]);
      await expect(select(two, 'select n from t')).rejects.toThrow(/does not exist/);
    } finally {
      await postgres.stop();
    }
    expect(await listens(Number(new URL(postgres.url).port))).toBe(false);
  });

  it('nats-server comes back on its port after a kill', async () => {
    const nats = await startNats();
    try {
      expect(await listens(nats.port)).toBe(true);
      await nats.kill();
      expect(await listens(nats.port)).toBe(false);
      await nats.restart();
      expect(await listens(nats.port)).toBe(true);
    } finally {
      await nats.stop();
    }
  });

  it('Postgres comes back on its port after a kill, with what it said is committed', async () => {
    const postgres = await startPostgres({ settings: { synchronous_commit: 'on' } });
    try {
      const url = await postgres.createDatabase();
      await select(url, 'create table t as select 7 as n');
      await postgres.kill();
      expect(await listens(postgres.port)).toBe(false);
      await postgres.restart();
      expect(await select(url, 'select n from t')).toEqual([{ n: 7 }]);
    } finally {
      await postgres.stop();
    }
  });

  it('a way to a server is slow, ends, or is silent, as it is told', async () => {
    const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const way = await startProxy((echo.address() as AddressInfo).port);
    const open = async () => {
      const socket = connect(way.port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      return socket;
    };
    const said = async (socket: Socket, text: string) => {
      socket.write(text);
      const answer: unknown = await Promise.race([once(socket, 'data'), sleep(1000, undefined)]);
      return Array.isArray(answer) ? String(answer[0]) : answer;
    };
    try {
      const socket = await open();
      expect(await said(socket, 'at once')).toBe('at once');
      way.slow(100);
      const before = performance.now();
      expect(await said(socket, 'late')).toBe('late');
      expect(performance.now() - before).toBeGreaterThan(190);
      way.mend();
      expect(way.silence()).toBe(1);
      expect(await said(socket, 'unheard')).toBeUndefined();
      expect([socket.closed, way.silence()]).toEqual([false, 0]);
      const next = await open();
      expect(await said(next, 'heard')).toBe('heard');
      const ended = once(next, 'close');
      way.cut();
      await ended;
      await once(await open(), 'close');
      way.mend();
      expect(await said(await open(), 'again')).toBe('again');
    } finally {
      await way.stop();
      echo.close();
    }
  });

  it('a killed test process leaves neither servers nor folders', async () => {
    const place = scratch('killed');
    const child = spawnSource(new URL('./scratch.fixture.ts', import.meta.url), [], { TMPDIR: place.folder });
    const line = await child.line('postgres:');
    const urls = JSON.parse(line) as { postgres: string; nats: string };
    const ports = Object.values(urls).map((url) => Number(new URL(url).port));
    expect(readdirSync(place.folder)).toHaveLength(2);

    child.kill();
    await waitFor('the servers end', async () => !(await Promise.all(ports.map(listens))).includes(true));
    await waitFor('the folders go', () => readdirSync(place.folder).length === 0);
    await place.remove();
    expect(existsSync(place.folder)).toBe(false);
  });
});
