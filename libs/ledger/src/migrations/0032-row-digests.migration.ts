import { type Kysely, sql } from 'kysely';

/** Digests of rows that no other digest covers; rows from before have none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table samples add column digest text;
    alter table alignment_metrics add column digest text;
    alter table evaluations add column digest text;
  `.execute(db);
}
