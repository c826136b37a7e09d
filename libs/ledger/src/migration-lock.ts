import { PostgresAdapter, PostgresDialect, sql } from 'kysely';
import type { Queries } from './tables/database.ts';

/** Kysely's own number, so that a migrator of before waits too. */
const LOCK_ID = 3853314791062309107n;

/** Until the transaction ends nobody else migrates. */
export async function lockMigrations(tx: Queries): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.lit(LOCK_ID)})`.execute(tx);
}

/**
 * For a migrator in a transaction that has that lock. Its own belongs to a session, which is the next client's through a pooler of
 * transactions: two would migrate at once, and nobody any more after a failure.
 */
export class LockedDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new LockedAdapter();
  }
}

class LockedAdapter extends PostgresAdapter {
  override acquireMigrationLock(): Promise<void> {
    return Promise.resolve();
  }

  override releaseMigrationLock(): Promise<void> {
    return Promise.resolve();
  }
}
