import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { scratch, spawnSource, startNats, startPostgres, waitFor } from './index.ts';

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
