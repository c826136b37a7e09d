import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table stages (
      digest text primary key,
      kind text not null,
      spec jsonb not null,
      state text not null default 'pending',
      chunks integer not null check (chunks > 0),
      chunks_done integer not null default 0 check (chunks_done <= chunks),
      -- How often the stage was taken up again after a failure or a cancellation.
      revivals integer not null default 0,
      result jsonb,
      created_at timestamptz not null default clock_timestamp(),
      started_at timestamptz,
      finished_at timestamptz
    );

    create table stage_chunks (
      stage text not null references stages,
      chunk integer not null,
      state text not null default 'pending',
      attempts integer not null default 0,
      seconds double precision,
      error text,
      primary key (stage, chunk)
    );

    create table run_stages (
      run text not null references runs,
      stage text not null references stages,
      label text not null,
      ordinal integer not null generated always as identity,
      primary key (run, stage)
    );

    create index run_stages_by_stage on run_stages (stage);
  `.execute(db);
}
