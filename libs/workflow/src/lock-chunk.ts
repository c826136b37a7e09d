import type { Job } from '@solopo/contracts';
import type { LedgerTransaction, StageRecord } from '@solopo/ledger';

export type Disposition = 'open' | 'already-done' | 'unwanted';

export interface LockedChunk {
  readonly disposition: Disposition;
  readonly stage: StageRecord;
  /** Of the chunk's items, by earlier jobs. */
  readonly itemsDone: number;
  /** The running runs that want the stage. */
  readonly subscribers: readonly string[];
}

/** Locks the job's stage and says whether its chunk is still to be done. */
export async function lockChunk(tx: LedgerTransaction, { stage: digest, chunk }: Job): Promise<LockedChunk> {
  const stage = await tx.stages.lock(digest);
  const { state, itemsDone } = await tx.stages.chunkState(digest, chunk);
  const subscribers = await tx.runs.subscribers(digest);
  // Whoever asked for a replay wants it, until it fails.
  const isWanted = subscribers.length > 0 || (stage.kind === 'replay' && stage.state !== 'failed');
  const disposition = state === 'done' ? 'already-done' : isWanted ? 'open' : 'unwanted';
  return { disposition, stage, itemsDone, subscribers };
}
