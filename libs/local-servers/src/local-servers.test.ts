import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startNats, startPostgres } from './index.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'solopo-local-'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function select(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('local Postgres', () => {
  it('keeps data and password from one start to the next, and wants the password', async () => {
    const dataDir = join(folder, 'postgres');
    const settings = { fsync: 'off' };
    const first = await startPostgres({ dataDir, settings });
    await select(first.url, 'create table kept as select 42 as n');
    await first.stop();
    await expect(first.exited).resolves.toMatchObject({ code: 0 });

    const second = await startPostgres({ dataDir, settings });
    try {
      expect(await select(second.url, 'select n from kept')).toEqual([{ n: 42 }]);
      const wrong = Object.assign(new URL(second.url), { password: 'wrong' }).href;
      await expect(select(wrong, 'select 1')).rejects.toThrow(/password authentication failed/);
    } finally {
      await second.stop();
    }
  });
});

describe('local NATS', () => {
  it('runs JetStream and answers on its monitor', async () => {
    const nats = await startNats({ dataDir: join(folder, 'nats') });
    try {
      const answer = await fetch(`${nats.monitorUrl}/jsz`);
      expect(await answer.json()).toMatchObject({ streams: 0 });
    } finally {
      await nats.stop();
    }
  });

  it('says what to do when the program is missing', async () => {
    vi.stubEnv('SOLOPO_NATS_SERVER', join(folder, 'no-such-program'));
    await expect(startNats({ dataDir: join(folder, 'nats') })).rejects.toThrow(/install nats-server/);
  });

  it('fails with the reason when its port is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as { port: number };
    await expect(startNats({ dataDir: join(folder, 'nats'), port })).rejects.toThrow(/address already in use/);
    squatter.close();
  });
});
