import type { RunState } from '@solopo/contracts';
import type { LedgerTransaction } from '@solopo/ledger';
import { emitEvents } from './run-events.ts';

export async function endRun(
  tx: LedgerTransaction,
  run: string,
  state: Exclude<RunState, 'running'>,
  error: string | null = null,
): Promise<void> {
  await tx.runs.end(run, state, error);
  await emitEvents(tx, [run], 'run.state', [{ state, error }]);
}
