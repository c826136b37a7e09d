import type { Job, StageSpec } from '@solopo/contracts';
import type { LedgerTransaction } from '@solopo/ledger';
import type { ChunkRange } from '@solopo/pipeline';
import { lockChunk } from './lock-chunk.ts';
import { emitStageEvent } from './run-events.ts';
import { itemsOf, rangeOf } from './stage-items.ts';

export type BegunChunk =
  | {
      readonly status: 'ready';
      readonly spec: StageSpec;
      /** Items to work on, without those that earlier jobs did: examples, questions or pairs in their order; steps, for `train`. */
      readonly range: ChunkRange;
      /** How many such items the whole stage has; training pairs, for `train`. */
      readonly items: number;
    }
  /** Nothing to do: acknowledge the job. */
  | { readonly status: 'already-done' | 'unwanted' };

/** Before the work, in a transaction of its own: what the job asks for, and whether anybody still wants it. */
export async function beginChunk(tx: LedgerTransaction, job: Job): Promise<BegunChunk> {
  const { disposition, stage, itemsDone, subscribers } = await lockChunk(tx, job);
  if (disposition !== 'open') return { status: disposition };
  const isFirst = await tx.stages.beginChunk(stage.digest, job.chunk);
  if (isFirst) await emitStageEvent(tx, subscribers, 'stage.started', { ...stage, state: 'running' });
  const items = await itemsOf(tx, stage.spec);
  const { from, to } = rangeOf(stage, job.chunk, items);
  return { status: 'ready', spec: stage.spec, range: { from: from + itemsDone, to }, items };
}
