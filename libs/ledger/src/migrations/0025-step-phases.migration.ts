import { type Kysely, sql } from 'kysely';

/** Where a step's time went. Not what its digest covers: the same step takes another time each time. Steps from before have none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table steps add column phase_seconds jsonb`.execute(db);
}
