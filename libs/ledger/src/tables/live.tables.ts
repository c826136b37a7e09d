import type { JobProgress, RunConfig, RunState, RunWarning, Scope, StageKind, StageSpec } from '@solopo/contracts';
import type { ColumnType, Generated, GeneratedAlways } from 'kysely';
import type { Json } from './json.ts';

/** What is going on now: small, and changed in place. */
export interface LiveTables {
  runs: RunsTable;
  stages: StagesTable;
  stage_chunks: StageChunksTable;
  run_stages: RunStagesTable;
  outbox: OutboxTable;
  leases: LeasesTable;
  attempts: AttemptsTable;
  worker_devices: WorkerDevicesTable;
  dead_letters: DeadLettersTable;
  tokens: TokensTable;
}

export type WorkState = 'pending' | 'running' | 'done' | 'failed';

/** Digests of what a run's configuration names. */
export interface ResolvedInputs {
  readonly model: string;
  readonly dataset: string;
  readonly evaluationDataset: string | null;
}

interface RunsTable {
  id: string;
  name: string;
  config: Json<RunConfig>;
  resolved: Json<ResolvedInputs>;
  state: RunState;
  error: string | null;
  step: Generated<number>;
  steps: number | null;
  chain_head: string | null;
  policy_digest: string | null;
  policy_tokens: Generated<number>;
  train_seconds: Generated<number>;
  created_at: GeneratedAlways<Date>;
  finished_at: Date | null;
  warnings: ColumnType<readonly RunWarning[], string | undefined, never>;
}

interface StagesTable {
  digest: string;
  kind: StageKind;
  spec: Json<StageSpec>;
  state: ColumnType<WorkState, WorkState | undefined, WorkState>;
  chunks: number;
  items: number | null;
  chunks_done: Generated<number>;
  revivals: Generated<number>;
  result: ColumnType<Readonly<Record<string, unknown>> | null, string | undefined, string | null>;
  created_at: GeneratedAlways<Date>;
  started_at: Date | null;
  finished_at: Date | null;
}

interface StageChunksTable {
  stage: string;
  chunk: number;
  state: ColumnType<WorkState, WorkState | undefined, WorkState>;
  attempts: Generated<number>;
  seconds: number | null;
  error: string | null;
  /** Of the chunk's items, from its first; their evidence is there. */
  items_done: Generated<number>;
}

interface RunStagesTable {
  run: string;
  stage: string;
  label: string;
  ordinal: GeneratedAlways<number>;
}

interface OutboxTable {
  id: GeneratedAlways<number>;
  subject: string;
  message_id: string;
  payload: Json<unknown>;
  traceparent: string | null;
  created_at: GeneratedAlways<Date>;
  published_at: Date | null;
}

interface LeasesTable {
  stage: string;
  chunk: number;
  fencing: number;
  job: string;
  attempt: number;
  worker: string;
  since: ColumnType<Date, never, Date>;
  expires_at: Date;
  progress: Json<JobProgress> | null;
}

interface AttemptsTable {
  job: string;
  attempt: number;
  stage: string | null;
  chunk: number | null;
  worker: string;
  /** Of the program that executes it. */
  version: string | null;
  started_at: ColumnType<Date, never, Date>;
  outcome: string | null;
  error: string | null;
}

interface WorkerDevicesTable {
  worker: string;
  device: string;
  name: string | null;
  reason: string;
  allocated_bytes: number;
  memory_bytes: number | null;
  memory_settings: string | null;
  told_at: ColumnType<Date, never, Date>;
}

interface DeadLettersTable {
  id: GeneratedAlways<number>;
  subject: string;
  job: Json<unknown>;
  reason: string;
  code: string;
  attempts: number;
  created_at: GeneratedAlways<Date>;
  retried_at: Date | null;
}

interface TokensTable {
  id: GeneratedAlways<number>;
  name: string;
  scopes: Scope[];
  hash: Buffer;
  created_at: GeneratedAlways<Date>;
  last_used_at: Date | null;
  revoked_at: Date | null;
}
