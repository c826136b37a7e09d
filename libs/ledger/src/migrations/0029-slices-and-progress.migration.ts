import { type Kysely, sql } from 'kysely';

/**
 * Held-out pairs of a policy version that were measured before its alignment is complete; how many items a stage has (unknown of those
 * from before); what the C library of a worker's engine was told of memory.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table stages add column items integer;
    alter table worker_devices add column memory_settings text;

    create table alignment_slices (
      stage text not null references stages,
      first_pair integer not null,
      pairs jsonb not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (stage, first_pair)
    );
    create trigger append_only before update or delete or truncate on alignment_slices
      for each statement execute function refuse_change_of_evidence();
    alter table alignment_slices enable always trigger append_only;
  `.execute(db);
}
