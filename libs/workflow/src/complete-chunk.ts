import type { Job } from '@solopo/contracts';
import { functionOf } from '@solopo/functions';
import type { LedgerTransaction, StageRecord } from '@solopo/ledger';
import type { ChunkRange, StageResult } from '@solopo/pipeline';
import { addUp } from './add-up.ts';
import { advanceRuns } from './advance-run.ts';
import type { Execution } from './begin-chunk.ts';
import { enqueueChunks, enqueueRest } from './jobs.ts';
import { lockChunk, type LockedChunk } from './lock-chunk.ts';
import { emitEvents, emitStageEvent } from './run-events.ts';
import { itemsOf, rangeOf } from './stage-items.ts';
import { watchRun } from './watch-run.ts';

export interface ChunkOutcome {
  readonly seconds: number;
  /** The items that were done, where a job may do a part of what it was given; a job for the rest follows. */
  readonly range?: ChunkRange;
  /** Counts: those of all chunks are added up to the stage's result. A `pair` stage must give { pairs, heldOut }. */
  readonly result?: StageResult;
  /** Writes the evidence; not called when the chunk is done already or nobody wants it any more. */
  readonly write?: (tx: LedgerTransaction) => Promise<void>;
}

export type ChunkEnd = 'completed' | 'continued' | 'already-done' | 'unwanted';

/**
 * One transaction holds the work's evidence, the chunk's end and the jobs that follow from it.
 *
 * @throws SolopoError `lease-lost` where the chunk was taken over since the execution began
 */
export async function completeChunk(
  tx: LedgerTransaction,
  job: Job,
  { attempt, lease }: Execution,
  outcome: ChunkOutcome,
): Promise<ChunkEnd> {
  const locked = await lockChunk(tx, job);
  const isOpen = locked.disposition === 'open';
  if (isOpen) await tx.leases.check(lease);
  const end = isOpen ? await commit(tx, job, locked, outcome) : (locked.disposition as ChunkEnd);
  await tx.attempts.finish(attempt, end);
  await tx.leases.release(lease);
  return end;
}

async function commit(
  tx: LedgerTransaction,
  job: Job,
  { stage, subscribers }: LockedChunk,
  { seconds, range, result = {}, write }: ChunkOutcome,
): Promise<ChunkEnd> {
  const whole = rangeOf(stage, job.chunk, await itemsOf(tx, stage.spec));
  await write?.(tx);
  const progress = { seconds, result: addUp(stage.result ?? {}, result) };
  if (range !== undefined && range.to < whole.to) {
    const done = range.to - whole.from;
    const continued = await tx.stages.continueChunk(stage.digest, job.chunk, { ...progress, itemsDone: done });
    await emitStageEvent(tx, subscribers, 'stage.progress', continued);
    await enqueueRest(tx, stage, job.chunk, done);
    return 'continued';
  }
  const progressed = await tx.stages.finishChunk(stage.digest, job.chunk, {
    ...progress,
    items: whole.to - whole.from,
  });
  await announce(tx, progressed, job.chunk, subscribers);

  if (stage.spec.kind === 'align') await watchRun(tx, stage.spec);
  const isDone = progressed.state === 'done';
  const isSequential = functionOf(stage.kind).sequential;
  if (isSequential && !isDone) await enqueueChunks(tx, stage, [job.chunk + 1]);
  if (isSequential || isDone) await advanceRuns(tx, subscribers);
  return 'completed';
}

async function announce(
  tx: LedgerTransaction,
  stage: StageRecord,
  chunk: number,
  runs: readonly string[],
): Promise<void> {
  await emitStageEvent(tx, runs, 'stage.progress', stage);
  if (stage.state === 'done') await emitStageEvent(tx, runs, 'stage.done', stage);
  await announceEvidence(tx, stage, chunk, runs);
}

async function announceEvidence(
  tx: LedgerTransaction,
  { spec, state, chunks }: StageRecord,
  chunk: number,
  runs: readonly string[],
): Promise<void> {
  switch (spec.kind) {
    case 'train': {
      const { from, to } = rangeOf({ spec, chunks }, chunk, await itemsOf(tx, spec));
      return emitEvents(tx, runs, 'run.step', await tx.steps.after(spec.run, from, to - from));
    }
    case 'align': {
      const alignments = await tx.alignments.ofRun(spec.run);
      return emitEvents(
        tx,
        runs,
        'run.alignment',
        alignments.filter(({ step }) => step === spec.step),
      );
    }
    case 'evaluate': {
      if (state !== 'done') return;
      for (const run of runs) {
        const evaluations = await tx.evaluations.ofRun(run);
        const own = evaluations.filter(
          ({ policy, documents }) => policy === spec.policy && documents === spec.documents,
        );
        await emitEvents(tx, [run], 'run.evaluation', own);
      }
    }
  }
}
