import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table models (
      digest text not null,
      name text not null,
      family text not null,
      config jsonb not null,
      files jsonb not null,
      parameters bigint not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (digest, name)
    );

    create index models_by_name on models (name, created_at);
  `.execute(db);
}
