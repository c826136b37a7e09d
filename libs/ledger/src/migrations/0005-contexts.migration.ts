import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table contexts (
      digest text primary key,
      kind text not null,
      tokens bytea not null,
      token_count integer not null,
      evidence jsonb not null,
      created_at timestamptz not null default clock_timestamp()
    );

    create table stage_contexts (
      stage text not null references stages,
      position integer not null,
      short text references contexts,
      long text references contexts,
      refused text,
      primary key (stage, position),
      check ((refused is null) = (short is not null and long is not null))
    );
  `.execute(db);
}
