import type { Job, StageSpec } from '@solopo/contracts';
import type { Attempt, Lease, LedgerTransaction } from '@solopo/ledger';
import type { ChunkRange } from '@solopo/pipeline';
import { lockChunk } from './lock-chunk.ts';
import { emitStageEvent } from './run-events.ts';
import { itemsOf, rangeOf } from './stage-items.ts';

/** Who is to execute a job. */
export interface Executor {
  readonly worker: string;
  /** Of its program. */
  readonly version: string;
  /** How long the chunk is the worker's, until it renews that. */
  readonly leaseMs: number;
  /** Is told which of the executions that the job is to blame for begins; where it throws, none does. */
  readonly admit?: (attempt: number) => void;
}

/** A job that is executed: the attempt at it, and the right to commit what comes of it. */
export interface Execution {
  readonly attempt: Attempt;
  readonly lease: Lease;
}

export type BegunChunk =
  | {
      readonly status: 'ready';
      readonly execution: Execution;
      readonly spec: StageSpec;
      /** Items to work on, without those that earlier jobs did: examples, questions or pairs in their order; steps, for `train`. */
      readonly range: ChunkRange;
      /** The chunk's first item: where `range` begins, unless earlier jobs did some of it. */
      readonly start: number;
      /** How many such items the whole stage has; training pairs, for `train`. */
      readonly items: number;
    }
  /** Another execution of the chunk holds it, for so long at least. */
  | { readonly status: 'held'; readonly forMs: number }
  /** Nothing to do: acknowledge the job. */
  | { readonly status: 'already-done' | 'unwanted' };

/** Before the work, in a transaction of its own: what the job asks for, and whether it is still to be done, by this worker and now. */
export async function beginChunk(tx: LedgerTransaction, job: Job, executor: Executor): Promise<BegunChunk> {
  const { disposition, stage, itemsDone, subscribers } = await lockChunk(tx, job);
  if (disposition !== 'open') return { status: disposition };
  if (await tx.attempts.isDone(job.id)) return { status: 'already-done' };
  const forMs = await tx.leases.heldForMs(stage.digest, job.chunk);
  if (forMs !== null) return { status: 'held', forMs };
  const { isFirst, execution } = await takeChunk(tx, job, executor);
  if (isFirst) await emitStageEvent(tx, subscribers, 'stage.started', { ...stage, state: 'running' });
  const items = await itemsOf(tx, stage.spec);
  const { from, to } = rangeOf(stage, job.chunk, items);
  return { status: 'ready', execution, spec: stage.spec, range: { from: from + itemsDone, to }, start: from, items };
}

async function takeChunk(
  tx: LedgerTransaction,
  { id, stage, chunk }: Job,
  { worker, version, leaseMs, admit }: Executor,
): Promise<{ readonly isFirst: boolean; readonly execution: Execution }> {
  const { attempt, blamed } = await tx.attempts.begin({ job: id, stage, chunk, worker, version });
  admit?.(blamed);
  const { execution: fencing, isFirst } = await tx.stages.beginChunk(stage, chunk);
  const lease = { stage, chunk, fencing };
  await tx.leases.take({ ...lease, job: id, attempt, worker }, leaseMs);
  return { isFirst, execution: { attempt: { job: id, attempt }, lease } };
}
