import type { LedgerTransaction, StageRecord } from '@solopo/ledger';
import { enqueueOpenChunks } from './jobs.ts';

/** Before a run wants the stage again: what nobody does any more is enqueued anew. */
export async function takeUpStage(tx: LedgerTransaction, digest: string): Promise<void> {
  const stage = await tx.stages.lock(digest);
  if (await isAbandoned(tx, stage)) await enqueueOpenChunks(tx, await tx.stages.revive(digest));
}

/** Failed, or left by all the runs that wanted it: its jobs are dropped or dead. */
async function isAbandoned(tx: LedgerTransaction, { digest, state }: StageRecord): Promise<boolean> {
  if (state === 'done') return false;
  return state === 'failed' || (await tx.runs.subscribers(digest)).length === 0;
}
