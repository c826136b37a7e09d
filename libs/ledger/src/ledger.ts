import { setTimeout as sleep } from 'node:timers/promises';
import { SolopoError } from '@solopo/contracts';
import { Kysely, PostgresDialect, sql, type LogEvent } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { limitedPool } from './limited-pool.ts';
import { LockedDialect, lockMigrations } from './migration-lock.ts';
import { MIGRATIONS } from './migrations/migrations.ts';
import { Repositories } from './repositories/repositories.ts';
import { provisionRoles, type ProvisionedRoles, type RoleUrls } from './roles/provision-roles.ts';
import { alone, listen, type SessionOptions } from './session.ts';
import { EVIDENCE_TABLES, type Database, type EvidenceTable, type Queries } from './tables/database.ts';

export interface ExecutedQuery {
  /** With placeholders: no values. */
  readonly statement: string;
  readonly seconds: number;
  readonly error?: unknown;
}

export interface LedgerOptions {
  /** Connections at most. */
  readonly connections?: number;
  /**
   * For a connection, a new one or one that others use now, and for the answer to a statement: then the database counts as away.
   * Snapshots and counts, which read much, have ten times as long.
   */
  readonly limitMs?: number;
  /** HOST:PORT of Postgres itself, where `url` is a pooler's: to listen. */
  readonly directHost?: string | undefined;
  /** Connections idle in the pool that break, and other trouble outside of any query. */
  readonly onError?: (error: Error) => void;
  /** Called after each query, in the asynchronous context of whoever asked for it. */
  readonly onQuery?: (query: ExecutedQuery) => void;
}

/** The repositories inside one transaction. */
export class LedgerTransaction extends Repositories {
  readonly inTransaction = true;
  readonly #db: Queries;

  constructor(db: Queries) {
    super(db);
    this.#db = db;
  }

  /** Until this transaction ends no artifact is removed: what is there when it looks is there when its reference is. */
  async keepArtifacts(): Promise<void> {
    await sql`select pg_advisory_xact_lock_shared(hashtextextended(${ARTIFACTS}, 0))`.execute(this.#db);
  }

  /** Until this transaction ends nobody refers to an artifact that was there already. */
  async holdReferences(): Promise<void> {
    await sql`select pg_advisory_xact_lock(hashtextextended(${ARTIFACTS}, 0))`.execute(this.#db);
  }

  /** Whether no other transaction does work of that name now; until this one ends, none will. */
  async isAlone(name: string): Promise<boolean> {
    const { rows } = await sql<{ held: boolean }>`
      select pg_try_advisory_xact_lock(hashtextextended(${name}, 0)) as held
    `.execute(this.#db);
    return rows[0]?.held === true;
  }
}

export const LEDGER_LIMIT_MS = 20_000;
const PATIENCE = 10;
/** A statement of a migration may rewrite a table. */
const MIGRATION_LIMIT_MS = 60 * 60_000;
/** A server that is frozen does not take leave. */
const FAREWELL_MS = 3000;
/** Whoever refers to an artifact that was there already, and whoever removes such. */
const ARTIFACTS = 'artifacts';

/** What the schema of this program's ledger is called. */
export const SCHEMA_VERSION = Object.keys(MIGRATIONS).sort().at(-1) ?? '';

/** The only truth of the system: a Postgres database. Repositories used directly run each query by itself. */
export class Ledger extends Repositories {
  readonly #db: Queries;
  readonly #patient: Queries;
  readonly #migrating: Queries;
  readonly #pool: pg.Pool;
  readonly #session: SessionOptions;
  readonly #direct: SessionOptions;

  private constructor(
    pool: pg.Pool,
    databases: Readonly<Record<'db' | 'patient' | 'migrating', Queries>>,
    session: SessionOptions,
    direct: SessionOptions,
  ) {
    super(databases.db);
    this.#db = databases.db;
    this.#patient = databases.patient;
    this.#migrating = databases.migrating;
    this.#pool = pool;
    this.#session = session;
    this.#direct = direct;
  }

  /** Connects with the first query. */
  static open(
    url: string,
    { connections = 10, limitMs = LEDGER_LIMIT_MS, directHost, onError = () => undefined, onQuery }: LedgerOptions = {},
  ): Ledger {
    const pool = new pg.Pool({
      connectionString: url,
      max: connections,
      types,
      keepAlive: true,
      connectionTimeoutMillis: limitMs,
    });
    pool.on('error', onError);
    // One that breaks between two queries of a transaction tells nobody else; the next query fails by itself.
    pool.on('connect', (client) => client.on('error', () => undefined));
    const log = onQuery === undefined ? {} : { log: (event: LogEvent) => onQuery(executed(event)) };
    const within = (ms: number, Dialect = PostgresDialect): Queries =>
      new Kysely<Database>({ dialect: new Dialect({ pool: limitedPool(pool, ms) }), ...log });
    const databases = {
      db: within(limitMs),
      patient: within(PATIENCE * limitMs),
      migrating: within(MIGRATION_LIMIT_MS, LockedDialect),
    };
    const session = { limitMs, onError };
    return new Ledger(pool, databases, { ...session, url }, { ...session, url: direct(url, directHost) });
  }

  /** Of the pool: connections in use, connections that nobody uses, and queries that wait for one. */
  get connections(): { readonly busy: number; readonly idle: number; readonly waiting: number } {
    const { totalCount, idleCount, waitingCount } = this.#pool;
    return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
  }

  async close(): Promise<void> {
    await Promise.race([this.#pool.end(), sleep(FAREWELL_MS, undefined, { ref: false })]);
  }

  /** All of it or nothing. The work is done again after a deadlock, so it must do nothing but query. */
  async transaction<T>(work: (tx: LedgerTransaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#db.transaction().execute((db) => work(new LedgerTransaction(db)));
      } catch (error) {
        if (!isDeadlock(error) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Everything as of one moment, whatever is written meanwhile; for reading alone. */
  async snapshot<T>(read: (ledger: Repositories) => Promise<T>): Promise<T> {
    return this.#patient
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute((db) => read(new Repositories(db)));
  }

  /** Calls back whenever a committed transaction put something into the outbox. Ends with the returned function. */
  onOutbox(callback: () => void): Promise<() => Promise<void>> {
    return listen('outbox', callback, this.#direct);
  }

  /**
   * Does the work if no other process does work of that name now; returns whether it did. The name belongs to a
   * connection: should that break, `lost` aborts, and the work must end.
   */
  exclusively(name: string, work: (lost: AbortSignal) => Promise<void>): Promise<boolean> {
    return alone(name, work, this.#session);
  }

  async ping(): Promise<void> {
    await sql`select 1`.execute(this.#db);
  }

  /** Brings the schema up to date; safe to call from several processes at once. Returns what it applied. */
  async migrate(): Promise<string[]> {
    const results = await this.#migrating.transaction().execute(async (tx) => {
      await lockMigrations(tx);
      const { error, results: applied = [] } = await migratorOf(tx).migrateToLatest();
      if (error === undefined) return applied;
      const failed = applied.find(({ status }) => status === 'Error');
      throw new SolopoError(
        'internal',
        `Migration ${failed?.migrationName ?? 'of the ledger'} failed: ${messageOf(error)}; the schema is as before, mend the cause and migrate again.`,
        { cause: error },
      );
    });
    return results.map(({ migrationName }) => migrationName);
  }

  /** Gives the login of each role, in its address, the least that the role needs; of a migrated ledger, by its owner. */
  provisionRoles(urls: RoleUrls): Promise<ProvisionedRoles> {
    return provisionRoles(this.#migrating, this.#session.url, urls);
  }

  /** The last migration applied; null in an empty database. Ready is `SCHEMA_VERSION`. */
  async schemaVersion(): Promise<string | null> {
    const migrations = await migratorOf(this.#db).getMigrations();
    return migrations.findLast(({ executedAt }) => executedAt !== undefined)?.name ?? null;
  }

  /** Rows in each table of evidence. */
  async counts(): Promise<Readonly<Record<EvidenceTable, number>>> {
    const counts = EVIDENCE_TABLES.map((table) =>
      this.#patient.selectFrom(table).select([sql.lit(table).as('table'), sql<number>`count(*)`.as('rows')]),
    );
    const { rows } = await sql<{ table: EvidenceTable; rows: number }>`${sql.join(counts, sql` union all `)}`.execute(
      this.#patient,
    );
    return Object.fromEntries(rows.map((row) => [row.table, row.rows])) as Record<EvidenceTable, number>;
  }
}

const MAX_ATTEMPTS = 5;

/** 64-bit integers as numbers: all counts here stay far below 2 ** 53. */
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

function direct(url: string, host: string | undefined): string {
  return host === undefined ? url : Object.assign(new URL(url), { host }).href;
}

function migratorOf(db: Queries): Migrator {
  return new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) } });
}

function executed({ query, queryDurationMillis, ...event }: LogEvent): ExecutedQuery {
  const done = { statement: query.sql, seconds: queryDurationMillis / 1000 };
  return 'error' in event ? { ...done, error: event.error } : done;
}

function isDeadlock(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '40P01';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
