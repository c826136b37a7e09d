import type { LedgerTransaction, RunRecord } from '@solopo/ledger';
import { advanceRun } from './advance-run.ts';
import { emitEvents } from './run-events.ts';
import { takeUpStage } from './take-up-stage.ts';

/** Sets a locked, failed run going again: what was done stays done, and its other stages' jobs were dropped meanwhile. */
export async function resumeRun(tx: LedgerTransaction, run: RunRecord): Promise<void> {
  for (const { digest } of await tx.runs.stages(run.id)) await takeUpStage(tx, digest);
  await tx.runs.resume(run.id);
  await emitEvents(tx, [run.id], 'run.state', [{ state: 'running', error: null }]);
  await advanceRun(tx, run);
}
