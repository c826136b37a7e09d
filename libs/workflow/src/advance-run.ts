import type { LedgerTransaction, RunRecord } from '@solopo/ledger';
import { nextStages, type RunFacts } from '@solopo/pipeline';
import { endRun } from './end-run.ts';
import { subscribeRun } from './subscribe-run.ts';

/** Starts what a locked, running run can do next, passes over what is done already, and ends it when nothing is left. */
export async function advanceRun(tx: LedgerTransaction, run: RunRecord): Promise<void> {
  for (;;) {
    const { start, finished, failure } = nextStages(await factsOf(tx, run));
    if (failure !== null) return endRun(tx, run.id, 'failed', failure);
    if (finished) return endRun(tx, run.id, 'succeeded');
    if (start.length === 0) return;
    for (const wanted of start) await subscribeRun(tx, run.id, wanted);
  }
}

/** Advances those of the runs that are running, one after the other in a fixed order. */
export async function advanceRuns(tx: LedgerTransaction, ids: readonly string[]): Promise<void> {
  for (const run of await tx.runs.lockRunning(ids)) await advanceRun(tx, run);
}

async function factsOf(tx: LedgerTransaction, { id, config, resolved }: RunRecord): Promise<RunFacts> {
  const stages = await tx.runs.stages(id);
  return {
    run: { id, config, ...resolved },
    stages: new Map(stages.map((stage) => [stage.digest, stage])),
    versions: await tx.versions.list(id),
  };
}
