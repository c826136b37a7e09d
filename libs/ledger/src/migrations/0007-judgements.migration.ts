import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table judgements (
      stage text not null references stages,
      position integer not null,
      sample_index integer not null,
      correct boolean not null,
      judge text not null,
      primary key (stage, position, sample_index)
    );
  `.execute(db);
}
