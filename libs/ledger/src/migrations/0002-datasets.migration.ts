import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table datasets (
      digest text not null,
      name text not null,
      format text not null,
      examples integer not null,
      rejected jsonb not null,
      rejected_count integer not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (digest, name)
    );

    create index datasets_by_name on datasets (name, created_at);

    -- json, not jsonb: a text with a NUL escape is data here, and only ever read whole.
    create table examples (
      dataset text not null,
      position integer not null,
      example_id text not null,
      digest text not null,
      content json not null,
      primary key (dataset, position)
    );
  `.execute(db);
}
