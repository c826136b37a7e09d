import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table alignment_metrics (
      stage text primary key references stages,
      run text not null references runs,
      step integer not null,
      policy text not null,
      metrics jsonb not null,
      details jsonb not null,
      created_at timestamptz not null default clock_timestamp(),
      unique (run, step)
    );
  `.execute(db);
}
