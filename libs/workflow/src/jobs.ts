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
    chunks.map((chunk): Job => ({ id: jobId(stage, chunk), stage: stage.digest, chunk })),
  );
}

/** The job that goes on with a chunk of which some items are done. */
export async function enqueueRest(
  tx: LedgerTransaction,
  stage: JobSource,
  chunk: number,
  itemsDone: number,
): Promise<void> {
  await enqueue(tx, stage, [{ id: `${jobId(stage, chunk)}:from-${itemsDone}`, stage: stage.digest, chunk }]);
}

async function enqueue(tx: LedgerTransaction, { spec }: JobSource, jobs: readonly Job[]): Promise<void> {
  const subject = subjectOfStage(spec);
  await tx.outbox.add(jobs.map((job) => ({ subject, messageId: job.id, payload: job })));
}

function jobId({ digest, revivals }: JobSource, chunk: number): string {
  return `${digest}:${chunk}${revivals === 0 ? '' : `:${revivals}`}`;
}

/** Everything still open, or just the next chunk where each builds on the one before. */
export async function enqueueOpenChunks(tx: LedgerTransaction, stage: JobSource): Promise<void> {
  const open = await tx.stages.openChunks(stage.digest);
  await enqueueChunks(tx, stage, functionOf(stage.spec.kind).sequential ? open.slice(0, 1) : open);
}
