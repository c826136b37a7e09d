import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table leases (
      run text primary key references runs,
      holder text not null,
      fencing bigint not null,
      expires_at timestamptz not null
    );
  `.execute(db);
}
