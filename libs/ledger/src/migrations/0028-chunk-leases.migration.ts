import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Who works on a chunk now. A run has one train stage, whose chunks follow each other: its lease is its chunk's.
    drop table leases;
    create table leases (
      stage text not null,
      chunk integer not null,
      -- The chunk's count of executions when it was taken.
      fencing integer not null,
      job text not null,
      attempt integer not null,
      worker text not null,
      since timestamptz not null default clock_timestamp(),
      expires_at timestamptz not null,
      progress jsonb,
      primary key (stage, chunk),
      foreign key (stage, chunk) references stage_chunks
    );

    alter table attempts add column stage text, add column chunk integer, add column version text;
    update attempts set stage = split_part(job, ':', 1), chunk = split_part(job, ':', 2)::integer
      where job ~ '^[0-9a-f]{64}:[0-9]+(:|$)';
    create index attempts_by_stage on attempts (stage);
  `.execute(db);
}
