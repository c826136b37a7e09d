import { type Kysely, sql } from 'kysely';

/** A pair may have no rejected answer: no sample then, and neither tokens nor text. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table pairs alter column rejected_sample drop not null;`.execute(db);
}
