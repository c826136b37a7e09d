import { randomUUID } from 'node:crypto';
import type { Job, StageSpec } from '@solopo/contracts';
import { functionOf, subjectOfStage } from '@solopo/functions';
import type { LedgerTransaction } from '@solopo/ledger';

interface JobSource {
  readonly digest: string;
  readonly spec: StageSpec;
  readonly revivals: number;
}

/** Puts jobs for the chunks into the outbox. A revived stage's jobs have new ids: old ones may still be deduplicated. */
export async function enqueueChunks(tx: LedgerTransaction, stage: JobSource, chunks: readonly number[]): Promise<void> {
  await enqueue(
    tx,
    stage,
    chunks.map((chunk) => jobOf(stage, chunk)),
  );
}

/** The job that goes on with a chunk of which some items are done. */
export async function enqueueRest(
  tx: LedgerTransaction,
  stage: JobSource,
  chunk: number,
  itemsDone: number,
): Promise<void> {
  await enqueue(tx, stage, [restOf(stage, chunk, itemsDone)]);
}

/**
 * The job that a queue has lost, once more: the same job, whose executions are counted on, in another message. The stream takes none
 * whose id it had within its duplicate window, even if that message is gone.
 */
export async function enqueueAgain(
  tx: LedgerTransaction,
  stage: JobSource,
  chunk: number,
  itemsDone: number,
): Promise<void> {
  const job = itemsDone === 0 ? jobOf(stage, chunk) : restOf(stage, chunk, itemsDone);
  await enqueue(tx, stage, [job], `:again-${randomUUID()}`);
}

async function enqueue(tx: LedgerTransaction, { spec }: JobSource, jobs: readonly Job[], suffix = ''): Promise<void> {
  const subject = subjectOfStage(spec);
  await tx.outbox.add(jobs.map((job) => ({ subject, messageId: `${job.id}${suffix}`, payload: job })));
}

function jobOf({ digest, revivals }: JobSource, chunk: number): Job {
  return { id: `${digest}:${chunk}${revivals === 0 ? '' : `:${revivals}`}`, stage: digest, chunk };
}

function restOf(stage: JobSource, chunk: number, itemsDone: number): Job {
  const job = jobOf(stage, chunk);
  return { ...job, id: `${job.id}:from-${itemsDone}` };
}

/** Everything still open, or just the next chunk where each builds on the one before. */
export async function enqueueOpenChunks(tx: LedgerTransaction, stage: JobSource): Promise<void> {
  const open = await tx.stages.openChunks(stage.digest);
  await enqueueChunks(tx, stage, functionOf(stage.spec.kind).sequential ? open.slice(0, 1) : open);
}
