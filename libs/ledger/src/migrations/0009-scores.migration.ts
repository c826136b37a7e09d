import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table scores (
      stage text not null references stages,
      position integer not null,
      context text not null check (context in ('short', 'long')),
      response text not null check (response in ('chosen', 'rejected')),
      model text not null,
      engine text not null,
      logps bytea not null,
      sum double precision not null,
      tokens integer not null,
      primary key (stage, position, context, response, model),
      foreign key (stage, position) references pairs
    );
  `.execute(db);
}
