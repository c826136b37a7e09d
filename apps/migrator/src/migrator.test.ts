import { connectNats } from '@solopo/bus';
import { jetstreamManager } from '@nats-io/jetstream';
import { Ledger, SCHEMA_VERSION } from '@solopo/ledger';
import { spawnSource, startNats, startPostgres, type TestNats, type TestPostgres } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let postgres: TestPostgres;
let nats: TestNats;

beforeAll(async () => {
  [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
});

afterAll(() => Promise.all([postgres.stop(), nats.stop()]));

function runMigrator(databaseUrl: string, natsUrl: string) {
  return spawnSource(new URL('./main.ts', import.meta.url), [], {
    SOLOPO_DATABASE_URL: databaseUrl,
    SOLOPO_NATS_URL: natsUrl,
    SOLOPO_LOG_LEVEL: 'info',
  });
}

describe('the migrator', () => {
  it('brings an empty database and an empty server up to date, also when two run at once', async () => {
    const databaseUrl = await postgres.createDatabase();
    const both = [runMigrator(databaseUrl, nats.url), runMigrator(databaseUrl, nats.url)];
    for (const migrator of both)
      expect(await migrator.exited, migrator.lines.join('\n')).toEqual({ code: 0, signal: null });

    const ledger = Ledger.open(databaseUrl);
    expect(await ledger.schemaVersion()).toBe(SCHEMA_VERSION);
    await ledger.close();
    const connection = await connectNats(nats.url, 'test');
    const streams = await (await jetstreamManager(connection)).streams.list().next();
    expect(streams.map(({ config }) => config.name).sort()).toEqual(['DEAD', 'EVENTS', 'WANTED', 'WORK']);
    await connection.close();

    const again = runMigrator(databaseUrl, nats.url);
    await again.exited;
    expect(again.lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'the schema is up to date',
      'the streams are up to date',
    ]);
  });

  it('says which server does not answer, and never a password', async () => {
    const nowhere = Object.assign(new URL(postgres.url), { port: '1', password: 'hunter2' }).href;
    const first = runMigrator(nowhere, nats.url);
    expect(await first.exited).toEqual({ code: 1, signal: null });
    expect(first.lines.join('\n')).toMatch(/Postgres does not answer; start it, or correct SOLOPO_DATABASE_URL/);
    expect(first.lines.join('\n')).not.toContain('hunter2');
    const second = runMigrator(await postgres.createDatabase(), 'nats://127.0.0.1:1');
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.lines.join('\n')).toMatch(/NATS does not answer; start it, or correct SOLOPO_NATS_URL/);
    const third = runMigrator('', nats.url);
    expect(await third.exited).toEqual({ code: 1, signal: null });
    expect(third.lines.join('\n')).toMatch(/SOLOPO_DATABASE_URL: is not set/);
  });
});
