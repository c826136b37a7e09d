import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table attempts (
      job text not null,
      attempt integer not null,
      worker text not null,
      started_at timestamptz not null default clock_timestamp(),
      outcome text,
      error text,
      primary key (job, attempt)
    );
  `.execute(db);
}
