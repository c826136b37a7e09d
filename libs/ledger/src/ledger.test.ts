import { startPostgres } from '@solopo/testing';
import { Kysely, PostgresDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { EVIDENCE_TABLES, Ledger, SCHEMA_VERSION } from './index.ts';
import { MIGRATIONS } from './migrations/migrations.ts';
import { createRun, MODEL, useLedger } from './testing/ledger.fixture.ts';

describe('the schema', () => {
  it('is brought up to date once, by however many at the same time', async () => {
    const postgres = await startPostgres();
    try {
      const url = await postgres.createDatabase();
      const ledgers = [Ledger.open(url), Ledger.open(url), Ledger.open(url)] as const;
      expect(await ledgers[0].schemaVersion()).toBeNull();
      const applied = await Promise.all(ledgers.map((ledger) => ledger.migrate()));
      expect(applied.flat().sort()).toEqual(Object.keys(MIGRATIONS));
      expect(await ledgers[1].schemaVersion()).toBe(SCHEMA_VERSION);
      expect(await ledgers[2].migrate()).toEqual([]);
      await Promise.all(ledgers.map((ledger) => ledger.close()));
    } finally {
      await postgres.stop();
    }
  });

  it('keeps the scores from before they were kept by engine, as the first recorded', async () => {
    const postgres = await startPostgres();
    const url = await postgres.createDatabase();
    const client = new pg.Client({ connectionString: url });
    const ledger = Ledger.open(url);
    try {
      await client.connect();
      const db = new Kysely<unknown>({
        dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }),
      });
      const getMigrations = () => Promise.resolve({ ...MIGRATIONS });
      const { error } = await new Migrator({ db, provider: { getMigrations } }).migrateTo('0022-step-engines');
      expect(error).toBeUndefined();
      await db.destroy();
      const engines = Array.from({ length: 3 }, (_, position) => `engine ${9 - position}`);
      // The rows stand alone.
      await client.query('set session_replication_role = replica');
      for (const [position, engine] of engines.entries())
        await client.query(
          `insert into scores (stage, position, context, response, model, engine, logps, sum, tokens)
           values ('s', $1, 'short', 'chosen', $2, $3, '\\x000080bf', -1, 1)`,
          [position, MODEL, engine],
        );
      expect(await ledger.migrate()).toEqual(Object.keys(MIGRATIONS).filter((name) => name > '0022-step-engines'));
      await client.query(
        `insert into scores select stage, position, context, response, model, 'engine 0', logps, -2, tokens from scores`,
      );
      const all = [0, 1, 2];
      expect((await ledger.scores.list('s', MODEL, all)).map(({ engine }) => engine)).toEqual(engines);
      expect((await ledger.scores.list('s', MODEL, all, 'engine 0')).map(({ sum }) => sum)).toEqual([-2, -2, -2]);
      await expect(client.query(`update scores set recorded = default`)).rejects.toThrow(/evidence is append-only/);
    } finally {
      await Promise.all([ledger.close(), client.end()]);
      await postgres.stop();
    }
  });
});

describe('the ledger', () => {
  const fixture = useLedger();

  it('refuses to change, delete or empty evidence, in every table of it', async () => {
    const client = new pg.Client({ connectionString: fixture.url });
    await client.connect();
    try {
      for (const table of EVIDENCE_TABLES) {
        const { rows } = await client.query<{ name: string }>(
          'select column_name as name from information_schema.columns where table_name = $1 limit 1',
          [table],
        );
        const column = rows[0]?.name ?? '';
        const changes = [
          `update ${table} set ${column} = ${column}`,
          `delete from ${table}`,
          `truncate ${table} cascade`,
          // Not even as a replica, for which ordinary triggers stay silent.
          `set session_replication_role = replica; delete from ${table}`,
        ];
        for (const change of changes)
          await expect(client.query(change), change).rejects.toThrow(/evidence is append-only/);
      }
    } finally {
      await client.end();
    }
  });

  it('guards exactly the tables it counts as evidence', async () => {
    const client = new pg.Client({ connectionString: fixture.url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>(
      `select tgrelid::regclass::text as name from pg_trigger where tgname = 'append_only'`,
    );
    await client.end();
    expect(rows.map(({ name }) => name).sort()).toEqual([...EVIDENCE_TABLES].sort());
    expect(Object.keys(await fixture.ledger.counts())).toEqual([...EVIDENCE_TABLES]);
  });

  it('writes all of a transaction or nothing', async () => {
    const failing = fixture.ledger.transaction(async (tx) => {
      await tx.models.register({ digest: 'd', name: 'n', family: 'f', config: {}, files: {}, parameters: 1 });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await fixture.ledger.models.find('n')).toBeNull();
  });

  it('does a transaction again that lost a deadlock', async () => {
    const { ledger } = fixture;
    await Promise.all([createRun(ledger, 'a'), createRun(ledger, 'b')]);
    let waiting = 0;
    let meet: () => void;
    const met = new Promise<void>((resolve) => (meet = resolve));
    const crossing = (first: string, second: string) =>
      ledger.transaction(async (tx) => {
        await tx.runs.lockRunning([first]);
        if (++waiting === 2) meet();
        await met;
        await tx.runs.lockRunning([second]);
        await tx.runs.planSteps(second, waiting);
      });
    await Promise.all([crossing('a', 'b'), crossing('b', 'a')]);
    // One of them, or on a slow machine both, lost.
    expect(waiting).toBeGreaterThan(2);
  });

  it('answers a ping, and fails one when there is no database', async () => {
    await fixture.ledger.ping();
    const nowhere = Ledger.open('postgres://nobody@127.0.0.1:1/none');
    await expect(nowhere.ping()).rejects.toThrow();
    await nowhere.close();
  });
});
