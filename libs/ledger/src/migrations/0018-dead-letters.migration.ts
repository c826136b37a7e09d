import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table dead_letters (
      id bigint primary key generated always as identity,
      subject text not null,
      job jsonb not null,
      reason text not null,
      code text not null,
      attempts integer not null,
      created_at timestamptz not null default clock_timestamp()
    );
  `.execute(db);
}
