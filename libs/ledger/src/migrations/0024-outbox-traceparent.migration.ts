import { type Kysely, sql } from 'kysely';

/** The trace that a message goes on with, as W3C writes it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table outbox add column traceparent text`.execute(db);
}
