import type { Kysely } from 'kysely';
import type { EvidenceTables } from './evidence.tables.ts';
import type { LiveTables } from './live.tables.ts';

export type Database = EvidenceTables & LiveTables;

/** A connection pool or a transaction: repositories do not mind which. */
export type Queries = Kysely<Database>;

/** In the order in which a run writes them. */
export const EVIDENCE_TABLES = [
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
  'alignment_slices',
  'alignment_metrics',
  'evaluations',
] as const satisfies readonly (keyof EvidenceTables)[];

export type EvidenceTable = (typeof EVIDENCE_TABLES)[number];
