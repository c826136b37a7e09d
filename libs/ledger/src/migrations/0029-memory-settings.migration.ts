import { type Kysely, sql } from 'kysely';

/** What the C library of a worker's engine was told of memory. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table worker_devices add column memory_settings text`.execute(db);
}
