import { SolopoError } from '@solopo/contracts';
import { sql, type RawBuilder } from 'kysely';
import pg from 'pg';
import type { Queries } from '../tables/database.ts';
import { GRANTS, LEDGER_ROLES, type Grant, type Grants, type LedgerRole } from './grants.ts';
import { loginOf, scramVerifier, type Login } from './login.ts';

export type RoleUrls = { readonly [R in LedgerRole]?: string | undefined };

/** What became of the logins: `shared` is the owner's own, which may do everything. */
export type ProvisionedRoles = { readonly [R in LedgerRole]?: { readonly user: string; readonly is: RoleOutcome } };
export type RoleOutcome = 'made' | 'there' | 'shared';

/** Limits of a login for what its client has given up: the server would go on with it, and hold its locks. */
const SETTINGS = {
  client_connection_check_interval: '10s',
  idle_in_transaction_session_timeout: '5min',
  statement_timeout: '10min',
} as const;

const NO_SUCH_LOGIN = new Set(['28000', '28P01']);
const NOT_ALLOWED = '42501';

/**
 * Gives each role's login what the role needs, and takes everything else from it; a login that is missing, or has another password, is
 * made as its address says. May be done again at any time, by several at once.
 *
 * @param db of the tables' owner
 * @param url of the same, where the logins are tried
 */
export async function provisionRoles(db: Queries, url: string, roles: RoleUrls): Promise<ProvisionedRoles> {
  const owner = await ownerOf(db);
  const asked = LEDGER_ROLES.flatMap((role) => {
    const address = roles[role];
    return address === undefined ? [] : [{ role, login: loginOf(address) }];
  });
  const own = asked.filter(({ login }) => login.user !== owner);
  const logins = new Map(own.map(({ login }) => [login.user, login]));
  const made = new Set<string>();
  for (const login of logins.values()) if (!(await letsIn(url, login))) made.add(login.user);
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('roles of the ledger', 0))`.execute(tx);
    for (const login of logins.values()) if (made.has(login.user)) await makeLogin(tx, login, owner);
    for (const user of logins.keys()) {
      await demandOrdinary(tx, user);
      await grant(
        tx,
        user,
        own.filter(({ login }) => login.user === user).map(({ role }) => GRANTS[role]),
      );
    }
  });
  return Object.fromEntries(
    asked.map(({ role, login: { user } }) => {
      const is: RoleOutcome = user === owner ? 'shared' : made.has(user) ? 'made' : 'there';
      return [role, { user, is }];
    }),
  );
}

async function ownerOf(db: Queries): Promise<string> {
  const { rows } = await sql<{ user: string }>`select current_user as user`.execute(db);
  return rows[0]?.user ?? '';
}

async function letsIn(url: string, { user, password }: Login): Promise<boolean> {
  const address = new URL(url);
  address.username = encodeURIComponent(user);
  address.password = encodeURIComponent(password);
  const client = new pg.Client({ connectionString: address.href, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError && NO_SUCH_LOGIN.has(error.code ?? '')) return false;
    throw error;
  } finally {
    await client.end();
  }
}

async function makeLogin(tx: Queries, login: Login, owner: string): Promise<void> {
  const name = sql.id(login.user);
  const { rows } = await sql`select from pg_roles where rolname = ${login.user}`.execute(tx);
  const verb = rows.length === 0 ? sql`create` : sql`alter`;
  const secret = login.password === '' ? sql`` : sql`password ${sql.lit(scramVerifier(login))}`;
  try {
    await sql`${verb} role ${name} login ${secret}`.execute(tx);
    for (const [setting, value] of Object.entries(SETTINGS))
      await sql`alter role ${name} set ${sql.id(setting)} = ${sql.lit(value)}`.execute(tx);
  } catch (cause) {
    if (!(cause instanceof pg.DatabaseError) || cause.code !== NOT_ALLOWED) throw cause;
    throw new SolopoError(
      'config-invalid',
      `Postgres lets ${login.user} not in, and ${owner} may not change that; make the role with a login and the password of its address, or ALTER ROLE ${owner} CREATEROLE, then migrate again.`,
      { cause },
    );
  }
}

async function demandOrdinary(tx: Queries, user: string): Promise<void> {
  const { rows } = await sql`select from pg_roles where rolname = ${user} and rolsuper`.execute(tx);
  if (rows.length > 0)
    throw new SolopoError(
      'config-invalid',
      `${user} is a superuser, who may do everything whatever is granted; give the service a role without that.`,
    );
}

async function grant(tx: Queries, user: string, grants: readonly Grants[]): Promise<void> {
  const name = sql.id(user);
  const { rows } = await sql<{ schema: string; database: string }>`
    select current_schema() as schema, current_database() as database
  `.execute(tx);
  const [place] = rows;
  if (place === undefined) return;
  const schema = sql.id(place.schema);
  await sql`revoke all on all tables in schema ${schema} from ${name}`.execute(tx);
  await sql`grant connect on database ${sql.id(place.database)} to ${name}`.execute(tx);
  await sql`grant usage on schema ${schema} to ${name}`.execute(tx);
  // The version of the schema, which every service compares with its own.
  await sql`grant select on kysely_migration, kysely_migration_lock to ${name}`.execute(tx);
  for (const [table, wanted] of grants.flatMap((each) => Object.entries<Grant>(each)))
    await sql`grant ${sql.join(privileges(wanted))} on ${sql.table(table)} to ${name}`.execute(tx);
}

function privileges({ may, sets = [] }: Grant): RawBuilder<unknown>[] {
  const columns = sql.join(sets.map((column) => sql.id(column)));
  return [...may.map((each) => sql.raw(each)), ...(sets.length > 0 ? [sql`update (${columns})`] : [])];
}
