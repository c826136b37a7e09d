export { Ledger, LedgerTransaction, SCHEMA_VERSION, type ExecutedQuery, type LedgerOptions } from './ledger.ts';
export { EVIDENCE_TABLES, type EvidenceTable } from './tables/database.ts';
export type { ResolvedInputs, WorkState } from './tables/live.tables.ts';
export type { TokenIds } from './bytes.ts';
export { LEDGER_ROLES, type LedgerRole } from './roles/grants.ts';
export type { ProvisionedRoles, RoleUrls } from './roles/provision-roles.ts';
export type { Range } from './range.ts';
export { alignmentDigest, evaluationDigest, sampleDigest } from './row-digests.ts';
export { storableText } from './text.ts';
export type { AlignmentEvidence, NewAlignment } from './repositories/alignment.repository.ts';
export {
  INTERRUPTED,
  type Attempt,
  type AttemptRecord,
  type NewAttempt,
  type WorkerRecord,
} from './repositories/attempt.repository.ts';
export type { Checkpoint } from './repositories/checkpoint.repository.ts';
export type {
  AssignedContext,
  ContextRecord,
  ContextAssignment,
  EvidenceSpan,
  NewContext,
} from './repositories/context.repository.ts';
export type { ExampleRecord, NewDataset } from './repositories/dataset.repository.ts';
export type { DeadLetterRecord, NewDeadLetter } from './repositories/dead-letter.repository.ts';
export type { EvaluationEvidence, NewEvaluation } from './repositories/evaluation.repository.ts';
export type { Judgement, JudgementRecord } from './repositories/judgement.repository.ts';
export type { Lease, LeaseRecord, NewLease } from './repositories/lease.repository.ts';
export type { ModelRecord, NewModel } from './repositories/model.repository.ts';
export type { Backlog, NewMessage, OutboxMessage } from './repositories/outbox.repository.ts';
export type {
  ContextTokens,
  NewPair,
  PairDetail,
  PairEvidence,
  PairFilter,
  PairRecord,
  PairRefusal,
} from './repositories/pair.repository.ts';
export { Repositories } from './repositories/repositories.ts';
export type { NewRun, RunFilter, RunRecord, SubscribedStage, TrainingProgress } from './repositories/run.repository.ts';
export type { NewSample, SampleEvidence, SampleRecord } from './repositories/sample.repository.ts';
export type { Score, ScoredContext, ScoredResponse, ScoreEvidence } from './repositories/score.repository.ts';
export type {
  ChunkProgress,
  ChunkState,
  KindWork,
  NewStage,
  ReplayStage,
  StageRecord,
  WantedChunk,
} from './repositories/stage.repository.ts';
export {
  CHAIN_START,
  type ChainHead,
  type EngineUse,
  type NewStep,
  type StepRecord,
} from './repositories/step.repository.ts';
export type { NewToken } from './repositories/token.repository.ts';
export type { WorkerDevice, WorkerDeviceRecord } from './repositories/worker-device.repository.ts';
export type { PolicyVersionRecord } from './repositories/version.repository.ts';
export type { TimedEvaluation, TimedMetrics, TimedStep, TrackedRun } from './repositories/tracking.repository.ts';
