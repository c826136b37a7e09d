import { type Kysely, sql } from 'kysely';

/** What a step's digest covers is kept whole. Steps from before have none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table steps add column engine text`.execute(db);
}
