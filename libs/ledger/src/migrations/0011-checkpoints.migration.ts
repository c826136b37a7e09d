import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table checkpoints (
      run text not null references runs,
      step integer not null check (step >= 0),
      digest text not null,
      parameters_digest text not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (run, step)
    );
  `.execute(db);
}
