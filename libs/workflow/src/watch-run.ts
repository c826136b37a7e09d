import type { StageSpecOf } from '@solopo/contracts';
import type { LedgerTransaction } from '@solopo/ledger';
import { watchForCollapse } from '@solopo/pipeline';
import { endRun } from './end-run.ts';
import { emitEvents } from './run-events.ts';

/** After a policy version was measured: warns of what its held-out metrics show, and ends the run where it asks for that. */
export async function watchRun(tx: LedgerTransaction, { run, step }: StageSpecOf<'align'>): Promise<void> {
  const [running] = await tx.runs.lockRunning([run]);
  if (running === undefined) return;
  const { watch } = running.config;
  const warnings = watchForCollapse(watch, await tx.alignments.ofRun(run), step);
  await emitEvents(tx, [run], 'run.warning', warnings);
  const [first] = warnings;
  if (first !== undefined && watch.collapse === 'stop') await endRun(tx, run, 'failed', first.message);
}
