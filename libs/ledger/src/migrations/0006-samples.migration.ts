import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table samples (
      stage text not null references stages,
      position integer not null,
      sample_index integer not null,
      tokens bytea not null,
      text text not null,
      finish text not null check (finish in ('stop', 'length')),
      logp real not null,
      primary key (stage, position, sample_index)
    );
  `.execute(db);
}
