import { type Kysely, sql } from 'kysely';

const EVIDENCE = [
  'models',
  'datasets',
  'examples',
  'contexts',
  'stage_contexts',
  'samples',
  'judgements',
  'pairs',
  'pair_refusals',
  'scores',
  'steps',
  'checkpoints',
  'policy_versions',
  'alignment_metrics',
  'evaluations',
];

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function refuse_change_of_evidence() returns trigger language plpgsql as $$
    begin
      raise exception '% of % refused: evidence is append-only', tg_op, tg_table_name
        using errcode = 'restrict_violation', hint = 'Write a new row; what was recorded stays.';
    end
    $$;
  `.execute(db);
  for (const table of EVIDENCE) {
    await sql`
      create trigger append_only before update or delete or truncate on ${sql.table(table)}
        for each statement execute function refuse_change_of_evidence();
    `.execute(db);
    await sql`alter table ${sql.table(table)} enable always trigger append_only`.execute(db);
  }
}
