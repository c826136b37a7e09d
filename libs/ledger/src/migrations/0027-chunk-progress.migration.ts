import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table stage_chunks add column items_done integer not null default 0;`.execute(db);
}
