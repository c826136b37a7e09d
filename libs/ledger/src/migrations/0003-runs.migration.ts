import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table runs (
      id text primary key,
      name text not null,
      config jsonb not null,
      resolved jsonb not null,
      state text not null,
      error text,
      step integer not null default 0,
      steps integer,
      chain_head text,
      policy_digest text,
      policy_tokens bigint not null default 0,
      train_seconds double precision not null default 0,
      created_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz
    );

    create index runs_by_age on runs (created_at);
  `.execute(db);
}
