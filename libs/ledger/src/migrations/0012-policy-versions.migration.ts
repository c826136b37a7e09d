import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table policy_versions (
      run text not null references runs,
      step integer not null check (step > 0),
      digest text not null,
      chain_head text not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (run, step)
    );
  `.execute(db);
}
