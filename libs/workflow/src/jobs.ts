import type { Job, StageSpec } from '@solopo/contracts';
import { functionOf, subjectOf } from '@solopo/functions';
import type { LedgerTransaction } from '@solopo/ledger';

interface JobSource {
  readonly digest: string;
  readonly spec: StageSpec;
  readonly revivals: number;
}

/** Puts jobs for the chunks into the outbox. A revived stage's jobs have new ids: old ones may still be deduplicated. */
export async function enqueueChunks(tx: LedgerTransaction, stage: JobSource, chunks: readonly number[]): Promise<void> {
  const subject = subjectOf(stage.spec.kind);
  const suffix = stage.revivals === 0 ? '' : `:${stage.revivals}`;
  const jobs = chunks.map((chunk): Job => ({ id: `${stage.digest}:${chunk}${suffix}`, stage: stage.digest, chunk }));
  await tx.outbox.add(jobs.map((job) => ({ subject, messageId: job.id, payload: job })));
}

/** Everything still open, or just the next chunk where each builds on the one before. */
export async function enqueueOpenChunks(tx: LedgerTransaction, stage: JobSource): Promise<void> {
  const open = await tx.stages.openChunks(stage.digest);
  await enqueueChunks(tx, stage, functionOf(stage.spec.kind).sequential ? open.slice(0, 1) : open);
}
