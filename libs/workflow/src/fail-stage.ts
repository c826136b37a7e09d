import type { LedgerTransaction } from '@solopo/ledger';
import { endRun } from './end-run.ts';

/** The stage cannot be done: every running run that wants it fails for the reason. */
export async function failStage(tx: LedgerTransaction, digest: string, reason: string, chunk?: number): Promise<void> {
  // A job may name a stage that never was; its dead letter, in the same transaction, must stay.
  if (!(await tx.stages.isThere(digest))) return;
  const stage = await tx.stages.lock(digest);
  if (stage.state === 'done') return;
  await tx.stages.fail(digest, reason, chunk);
  for (const run of await tx.runs.lockRunning(await tx.runs.subscribers(digest)))
    await endRun(tx, run.id, 'failed', reason);
}
