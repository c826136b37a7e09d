import { startPostgres, type TestPostgres } from '@solopo/testing';
import { Kysely, PostgresDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVIDENCE_TABLES, Ledger, SCHEMA_VERSION } from '../index.ts';
import { MIGRATIONS } from './migrations.ts';

const NAMES = Object.keys(MIGRATIONS).sort();
const STAGE = 'a'.repeat(64);

/** Where a column takes not just any value of its type: references, and what a check or a migration reads. */
const VALUES: Readonly<Record<string, unknown>> = {
  stage: STAGE,
  'stages.digest': STAGE,
  run: 'run_1',
  'runs.id': 'run_1',
  'contexts.digest': 'context',
  'stage_contexts.short': 'context',
  'stage_contexts.long': 'context',
  'stage_contexts.refused': null,
  'pairs.short_context': 'context',
  'pairs.long_context': 'context',
  'samples.finish': 'stop',
  'scores.context': 'short',
  'scores.response': 'chosen',
  'stages.chunks': 3,
  'evaluations.n': 1,
  'evaluations.correct': 1,
  'evaluations.outcomes': '1',
  'attempts.job': `${STAGE}:2:1`,
  'steps.step': 1,
  'policy_versions.step': 1,
};

const ANY: Readonly<Record<string, unknown>> = {
  text: 'text',
  integer: 0,
  bigint: 0,
  real: -0.5,
  'double precision': -0.5,
  boolean: false,
  bytea: Buffer.of(0, 0, 128, 191),
  json: '{"id":"x"}',
  jsonb: '{"a":1}',
  'timestamp with time zone': new Date(0),
  ARRAY: ['one'],
};

/** As they refer to each other. */
const ORDER = [
  'models datasets examples runs stages stage_chunks run_stages contexts stage_contexts samples judgements pairs',
  'pair_refusals scores steps checkpoints policy_versions alignment_slices alignment_metrics evaluations outbox leases',
  'attempts dead_letters tokens worker_devices',
].flatMap((line) => line.split(' '));

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly isGenerated: boolean;
}

async function tablesOf(client: pg.Client): Promise<ReadonlyMap<string, readonly Column[]>> {
  const { rows } = await client.query<Column>(
    `select table_name::text as "table", column_name::text as name, data_type::text as type,
       is_identity = 'YES' or column_default like 'nextval%' as "isGenerated"
     from information_schema.columns
     where table_schema = 'public' and table_name not like 'kysely%' order by table_name, ordinal_position`,
  );
  return Map.groupBy(rows, ({ table }) => table);
}

/** A row in every table that there is. */
async function fill(client: pg.Client): Promise<readonly string[]> {
  const tables = await tablesOf(client);
  // A table that is new in the schema has to be put in its place above.
  expect([...tables.keys()].filter((table) => !ORDER.includes(table))).toEqual([]);
  const filled = ORDER.filter((table) => tables.has(table));
  for (const table of filled) {
    const columns = tables.get(table)!.filter(({ isGenerated }) => !isGenerated);
    const values = columns.map(({ name, type }) => {
      const special = VALUES[`${table}.${name}`] ?? VALUES[name];
      const isNull = `${table}.${name}` in VALUES && VALUES[`${table}.${name}`] === null;
      return isNull ? null : (special ?? ANY[type]);
    });
    const places = columns.map((_, index) => `$${index + 1}`);
    const names = columns.map(({ name }) => `"${name}"`);
    await client.query(`insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`, values);
  }
  return filled;
}

/** What a schema is: columns, constraints, indexes, triggers, functions. */
async function describeSchema(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ line: string }>(`
    select concat_ws(' ', 'column', table_name, column_name, data_type, is_nullable, column_default) as line
      from information_schema.columns where table_schema = 'public'
    union all select concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
      from pg_constraint where connamespace = 'public'::regnamespace
    union all select indexdef from pg_indexes where schemaname = 'public'
    union all select concat_ws(' ', tgenabled, pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal
    union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
    order by 1`);
  return rows.map(({ line }) => line);
}

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function migrateTo(url: string, name: string): Promise<void> {
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }) });
  const provider = { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) };
  const { error } = await new Migrator({ db, provider }).migrateTo(name);
  await db.destroy();
  expect(error).toBeUndefined();
}

/** Evidence as text, but for columns that later migrations added. */
async function rowsOf(client: pg.Client, columns: ReadonlyMap<string, readonly Column[]>): Promise<unknown> {
  const rows: Record<string, unknown> = {};
  for (const table of EVIDENCE_TABLES) {
    const names = columns.get(table)?.map(({ name }) => `"${name}"::text`);
    if (names !== undefined) rows[table] = (await client.query(`select ${names.join(', ')} from ${table}`)).rows;
  }
  return rows;
}

describe('a ledger with data in it', () => {
  let postgres: TestPostgres;
  let latest: readonly string[];
  /** Goes from schema to schema; each test has a copy of it. */
  let growing: string;

  beforeAll(async () => {
    postgres = await startPostgres();
    growing = await postgres.createDatabase();
    const fresh = await postgres.createDatabase();
    await migrateTo(fresh, SCHEMA_VERSION);
    latest = await connected(fresh, describeSchema);
  });
  afterAll(() => postgres.stop());

  it.each(NAMES)('of %s comes to the latest schema, and keeps its evidence', async (name) => {
    await migrateTo(growing, name);
    const copy = Object.assign(new URL(growing), { pathname: `/copy_${name.slice(0, 4)}` }).href;
    const template = new URL(growing).pathname.slice(1);
    await connected(postgres.url, (client) =>
      client.query(`create database copy_${name.slice(0, 4)} template ${template} strategy file_copy`),
    );
    const before = await connected(copy, async (client) => {
      const filled = await fill(client);
      const columns = await tablesOf(client);
      return { filled, columns, rows: await rowsOf(client, columns) };
    });
    const ledger = Ledger.open(copy);
    expect(await ledger.migrate()).toEqual(NAMES.filter((later) => later > name));
    expect(await ledger.schemaVersion()).toBe(SCHEMA_VERSION);
    await ledger.close();
    await connected(copy, async (client) => {
      expect(await describeSchema(client)).toEqual(latest);
      expect(await rowsOf(client, before.columns)).toEqual(before.rows);
      // Leases of the first kind ended with their schema.
      for (const table of before.filled.filter((each) => each !== 'leases'))
        expect((await client.query(`select from ${table}`)).rowCount, table).toBe(1);
      if (before.filled.includes('attempts'))
        expect((await client.query('select stage, chunk from attempts')).rows).toEqual([
          name < '0028' ? { stage: STAGE, chunk: 2 } : expect.anything(),
        ]);
      await expect(client.query('delete from models')).rejects.toThrow(/evidence is append-only/);
    });
  });
});
