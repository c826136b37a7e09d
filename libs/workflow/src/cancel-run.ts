import { SolopoError } from '@solopo/contracts';
import type { LedgerTransaction } from '@solopo/ledger';
import { endRun } from './end-run.ts';

/** Ends a running run. Jobs that nobody else wants are dropped when they are delivered. */
export async function cancelRun(tx: LedgerTransaction, id: string): Promise<void> {
  const [running] = await tx.runs.lockRunning([id]);
  if (running === undefined) {
    const { state } = await tx.runs.require(id);
    throw new SolopoError('conflict', `Run ${id} has ${state} already; there is nothing to cancel.`);
  }
  await endRun(tx, id, 'cancelled');
}
