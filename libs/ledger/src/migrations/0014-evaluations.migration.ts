import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table evaluations (
      stage text not null references stages,
      chunk integer not null,
      policy text not null,
      documents integer not null,
      tokens bigint not null,
      n integer not null,
      correct integer not null check (correct <= n),
      outcomes text not null check (length(outcomes) = n),
      refused jsonb not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (stage, chunk)
    );
  `.execute(db);
}
