import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index replays_by_run on stages ((spec ->> 'run')) where kind = 'replay'`.execute(db);
}
