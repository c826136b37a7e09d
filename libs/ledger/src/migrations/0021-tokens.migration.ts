import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table tokens (
      id bigint primary key generated always as identity,
      name text not null,
      scopes text[] not null check (cardinality(scopes) > 0),
      -- SHA-256 of the token, which is nowhere kept.
      hash bytea not null unique,
      created_at timestamptz not null default clock_timestamp(),
      last_used_at timestamptz,
      revoked_at timestamptz
    );

    create unique index tokens_by_name on tokens (name) where revoked_at is null;
  `.execute(db);
}
