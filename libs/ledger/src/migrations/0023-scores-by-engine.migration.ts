import { type Kysely, sql } from 'kysely';

/**
 * A row has a score by each engine that made one. `recorded` grows with each row written, so that the first of them can be
 * told; rows from before come before all others.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table scores
      add column recorded bigint not null generated always as identity,
      drop constraint scores_pkey,
      add primary key (stage, position, context, response, model, engine);
  `.execute(db);
}
