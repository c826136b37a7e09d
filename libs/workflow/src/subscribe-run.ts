import type { LedgerTransaction } from '@solopo/ledger';
import type { WantedStage } from '@solopo/pipeline';
import { enqueueOpenChunks } from './jobs.ts';
import { chunkCount, itemsOf, unitsOf } from './stage-items.ts';
import { takeUpStage } from './take-up-stage.ts';

/** Makes the run a subscriber of the stage; work that nobody does yet is enqueued. */
export async function subscribeRun(tx: LedgerTransaction, run: string, wanted: WantedStage): Promise<void> {
  const { digest, spec, label } = wanted;
  const items = await itemsOf(tx, spec);
  const isNew = await tx.stages.insert({ digest, spec, chunks: chunkCount(spec, items), items: unitsOf(spec, items) });
  if (isNew) await enqueueOpenChunks(tx, await tx.stages.lock(digest));
  else await takeUpStage(tx, digest);
  await tx.runs.subscribe(run, digest, label);
  if (spec.kind === 'train') await tx.runs.planSteps(run, unitsOf(spec, items));
}
