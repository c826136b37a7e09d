import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table dead_letters add column retried_at timestamptz`.execute(db);
}
