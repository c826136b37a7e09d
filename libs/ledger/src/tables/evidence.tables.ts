import type { Example } from '@solopo/contracts';
import type { GeneratedAlways } from 'kysely';
import type { Json } from './json.ts';

/** Append-only: the database refuses to change or delete a row of these. */
export interface EvidenceTables {
  models: ModelsTable;
  datasets: DatasetsTable;
  examples: ExamplesTable;
  contexts: ContextsTable;
  stage_contexts: StageContextsTable;
  samples: SamplesTable;
  judgements: JudgementsTable;
  pairs: PairsTable;
  pair_refusals: PairRefusalsTable;
  scores: ScoresTable;
  steps: StepsTable;
  checkpoints: CheckpointsTable;
  policy_versions: PolicyVersionsTable;
  alignment_slices: AlignmentSlicesTable;
  alignment_metrics: AlignmentMetricsTable;
  evaluations: EvaluationsTable;
}

interface ModelsTable {
  digest: string;
  name: string;
  family: string;
  config: Json<Readonly<Record<string, unknown>>>;
  files: Json<Readonly<Record<string, string>>>;
  parameters: number;
  created_at: GeneratedAlways<Date>;
}

interface DatasetsTable {
  digest: string;
  name: string;
  format: string;
  examples: number;
  rejected: Json<readonly { readonly line: number; readonly reason: string }[]>;
  rejected_count: number;
  created_at: GeneratedAlways<Date>;
}

interface ExamplesTable {
  dataset: string;
  position: number;
  example_id: string;
  digest: string;
  content: Json<Example>;
}

interface ContextsTable {
  digest: string;
  kind: string;
  tokens: Buffer;
  token_count: number;
  evidence: Json<readonly { readonly document: number; readonly start: number; readonly end: number }[]>;
  created_at: GeneratedAlways<Date>;
}

interface StageContextsTable {
  stage: string;
  position: number;
  short: string | null;
  long: string | null;
  refused: string | null;
}

interface SamplesTable {
  stage: string;
  position: number;
  sample_index: number;
  tokens: Buffer;
  text: string;
  finish: 'stop' | 'length';
  logp: number;
  digest: string | null;
}

interface JudgementsTable {
  stage: string;
  position: number;
  sample_index: number;
  correct: boolean;
  judge: string;
}

interface PairsTable {
  stage: string;
  position: number;
  digest: string;
  short_context: string;
  long_context: string;
  chosen: Buffer;
  rejected: Buffer;
  chosen_text: string;
  rejected_text: string;
  chosen_sample: number | null;
  rejected_sample: number | null;
  held_out: boolean;
  ordinal: number;
}

interface PairRefusalsTable {
  stage: string;
  position: number;
  reason: string;
}

interface ScoresTable {
  stage: string;
  position: number;
  context: 'short' | 'long';
  response: 'chosen' | 'rejected';
  model: string;
  engine: string;
  logps: Buffer;
  sum: number;
  tokens: number;
  /** Grows with each row written. */
  recorded: GeneratedAlways<number>;
}

interface StepsTable {
  run: string;
  step: number;
  digest: string;
  previous_digest: string;
  pair_digests: string[];
  engine: string | null;
  metrics: Json<Readonly<Record<string, number>>>;
  phase_seconds: Json<Readonly<Record<string, number>>> | null;
  created_at: GeneratedAlways<Date>;
}

interface CheckpointsTable {
  run: string;
  step: number;
  digest: string;
  parameters_digest: string;
  created_at: GeneratedAlways<Date>;
}

interface PolicyVersionsTable {
  run: string;
  step: number;
  digest: string;
  chain_head: string;
  created_at: GeneratedAlways<Date>;
}

interface AlignmentSlicesTable {
  stage: string;
  first_pair: number;
  pairs: Json<readonly unknown[]>;
  created_at: GeneratedAlways<Date>;
}

interface AlignmentMetricsTable {
  stage: string;
  run: string;
  step: number;
  policy: string;
  metrics: Json<Readonly<Record<string, number>>>;
  details: Json<unknown>;
  digest: string | null;
  created_at: GeneratedAlways<Date>;
}

interface EvaluationsTable {
  stage: string;
  chunk: number;
  policy: string;
  documents: number;
  tokens: number;
  n: number;
  correct: number;
  outcomes: string;
  refused: Json<Readonly<Record<string, number>>>;
  digest: string | null;
  created_at: GeneratedAlways<Date>;
}
