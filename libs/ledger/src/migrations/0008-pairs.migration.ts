import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table pairs (
      stage text not null references stages,
      position integer not null,
      digest text not null,
      short_context text not null references contexts,
      long_context text not null references contexts,
      chosen bytea not null,
      rejected bytea not null,
      chosen_text text not null,
      rejected_text text not null,
      -- Null: the gold answer, not a sample.
      chosen_sample integer,
      rejected_sample integer not null,
      held_out boolean not null,
      ordinal integer not null,
      primary key (stage, position),
      unique (stage, held_out, ordinal)
    );

    create table pair_refusals (
      stage text not null references stages,
      position integer not null,
      reason text not null,
      primary key (stage, position)
    );
  `.execute(db);
}
