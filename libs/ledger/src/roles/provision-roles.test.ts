import { startPostgres, type TestPostgres } from '@solopo/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVIDENCE_TABLES, Ledger, LEDGER_ROLES, type LedgerRole } from '../index.ts';
import { GRANTS, type Grant } from './grants.ts';

const REFUSED = '42501';

let postgres: TestPostgres;
let url: string;
let ledger: Ledger;
let tables: ReadonlyMap<string, readonly string[]>;

const urlOf = (role: string, password = `of ${role}: 50%`): string => {
  const address = new URL(url);
  address.username = `test_${role}`;
  address.password = encodeURIComponent(password);
  return address.href;
};
const urls = Object.fromEntries(LEDGER_ROLES.map((role) => [role, role])) as Record<LedgerRole, string>;

beforeAll(async () => {
  postgres = await startPostgres();
  url = await postgres.createDatabase();
  ledger = Ledger.open(url);
  await ledger.migrate();
  for (const role of LEDGER_ROLES) urls[role] = urlOf(role);
  await ledger.provisionRoles(urls);
  tables = await columns();
});
afterAll(async () => {
  await ledger.close();
  await postgres.stop();
});

async function as<T>(address: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The code of what is wrong with it; null where nothing is. */
async function outcome(client: pg.Client, statement: string): Promise<string | null> {
  return client.query(statement).then(
    () => null,
    (error: unknown) => (error as pg.DatabaseError).code ?? String(error),
  );
}

async function columns(): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await as(url, (client) =>
    client.query<{ table: string; columns: string[] }>(
      `select table_name::text as "table", array_agg(column_name::text) as columns
       from information_schema.columns where table_schema = 'public' group by 1`,
    ),
  );
  return new Map(rows.map((row) => [row.table, row.columns]));
}

describe('the roles of the ledger', () => {
  it.each(LEDGER_ROLES)('%s may do what its statements need, and nothing else, in any table', async (role) => {
    const granted = new Map(Object.entries<Grant>(GRANTS[role]));
    const version: Grant = { may: ['select'] };
    for (const table of ['kysely_migration', 'kysely_migration_lock']) granted.set(table, version);
    expect([...tables.keys()]).toEqual(expect.arrayContaining([...granted.keys()]));
    await as(urls[role], async (client) => {
      const wrong: string[] = [];
      const expectRefusal = async (statement: string, isAllowed: boolean): Promise<void> => {
        if (((await outcome(client, statement)) !== REFUSED) !== isAllowed) wrong.push(statement);
      };
      for (const [table, names] of tables) {
        const { may, sets = [] } = granted.get(table) ?? { may: [] };
        await expectRefusal(`select * from ${table} where false`, may.includes('select'));
        await expectRefusal(`insert into ${table} default values`, may.includes('insert'));
        await expectRefusal(`delete from ${table} where false`, may.includes('delete'));
        await expectRefusal(`truncate ${table} cascade`, false);
        for (const name of names)
          await expectRefusal(`update ${table} set ${name} = default where false`, sets.includes(name));
      }
      expect(wrong).toEqual([]);
    });
  });

  it.each(LEDGER_ROLES)('%s changes no evidence, takes nothing of it, and cannot help itself to more', async (role) => {
    await as(urls[role], async (client) => {
      for (const table of EVIDENCE_TABLES) {
        for (const statement of [
          `delete from ${table}`,
          `truncate ${table} cascade`,
          `alter table ${table} disable trigger append_only`,
          `drop table ${table} cascade`,
        ])
          expect(await outcome(client, statement), statement).toBe(REFUSED);
        for (const name of tables.get(table) ?? []) {
          const statement = `update ${table} set ${name} = default`;
          // What retention may set one day is append-only to it too, until a trigger says otherwise.
          expect([REFUSED, '23001'], statement).toContain(await outcome(client, statement));
        }
      }
      for (const statement of [
        'create table mine (x integer)',
        'create role another login',
        `alter role test_${role} superuser`,
        `set session_replication_role = replica`,
        'create or replace function refuse_change_of_evidence() returns trigger language plpgsql as $$ begin return null; end $$',
        `copy (select 1) to program 'true'`,
      ])
        expect(await outcome(client, statement), statement).toBe(REFUSED);
    });
  });

  it('only the gateway knows of tokens, only the trainer writes steps, and nobody but it a chain head', async () => {
    for (const role of LEDGER_ROLES)
      await as(urls[role], async (client) => {
        expect(await outcome(client, 'select hash from tokens')).toBe(role === 'gateway' ? null : REFUSED);
        const step = `insert into steps (run, step, digest, previous_digest, pair_digests, metrics) values ('r', 1, '', '', '{}', '{}')`;
        expect(await outcome(client, step)).toBe(role === 'trainer' ? '23503' : REFUSED);
        expect(await outcome(client, `update runs set chain_head = ''`)).toBe(role === 'trainer' ? null : REFUSED);
        expect(await outcome(client, `update runs set config = '{}'`)).toBe(REFUSED);
      });
  });

  it('lose what somebody gave them besides, by however many migrators at once, and a password that is not theirs', async () => {
    await as(url, async (owner) => {
      await owner.query('grant delete, update on pairs to test_datagen');
      await owner.query(`alter role test_reward password 'another'`);
    });
    const results = await Promise.all([1, 2, 3].map(() => ledger.provisionRoles(urls)));
    for (const { datagen } of results) expect(datagen).toEqual({ user: 'test_datagen', is: 'there' });
    await as(urls.datagen, async (client) => {
      expect(await outcome(client, 'delete from pairs')).toBe(REFUSED);
      expect(await outcome(client, 'update pairs set digest = digest')).toBe(REFUSED);
    });
    await as(urls.reward, (client) => client.query('select from runs'));
    const { rows } = await as(url, (owner) =>
      owner.query<{ rolpassword: string }>(`select rolpassword from pg_authid where rolname = 'test_reward'`),
    );
    expect(rows[0]?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
  });

  it('need not be: one login for all does everything, as before', async () => {
    expect(await ledger.provisionRoles({ gateway: url, trainer: url })).toMatchObject({
      gateway: { is: 'shared' },
      trainer: { is: 'shared' },
    });
    expect(await ledger.provisionRoles({})).toEqual({});
  });

  it('are no superusers, and are made only by who may', async () => {
    await as(url, (owner) => owner.query(`create role test_super superuser login password 'secret'`));
    await expect(ledger.provisionRoles({ datagen: urlOf('super', 'secret') })).rejects.toThrow(/is a superuser/);

    const plain = await postgres.createDatabase();
    await as(plain, async (owner) => {
      await owner.query(`create role plain_owner login password 'secret'`);
      await owner.query('grant create on schema public to plain_owner');
    });
    const address = Object.assign(new URL(plain), { username: 'plain_owner', password: 'secret' }).href;
    const owned = Ledger.open(address);
    try {
      await owned.migrate();
      await expect(owned.provisionRoles({ datagen: urlOf('nobody', 'x') })).rejects.toThrow(
        /lets test_nobody not in, and plain_owner may not change that; make the role .* or ALTER ROLE plain_owner CREATEROLE/,
      );
      // Those that a DBA made are given what they need.
      expect(await owned.provisionRoles({ datagen: urls.datagen })).toMatchObject({ datagen: { is: 'there' } });
    } finally {
      await owned.close();
    }
  });
});
