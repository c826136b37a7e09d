import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table worker_devices (
      worker text primary key,
      device text not null,
      name text,
      reason text not null,
      allocated_bytes bigint not null,
      memory_bytes bigint,
      told_at timestamptz not null default clock_timestamp()
    );
  `.execute(db);
}
