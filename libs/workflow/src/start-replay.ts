import { digestOf, SolopoError, type StageSpecOf } from '@solopo/contracts';
import type { LedgerTransaction } from '@solopo/ledger';
import { drawSlices } from '@solopo/pipeline';
import { enqueueOpenChunks } from './jobs.ts';
import { newReplayId } from './run-id.ts';

export interface AskedReplay {
  /** At most. */
  readonly slices: number;
  readonly seed: number;
}

/**
 * Asks for slices of the run to be taken once more. Returns the replay's id. The run sees nothing of it.
 *
 * @throws SolopoError `conflict` where the run has no slice yet
 */
export async function startReplay(tx: LedgerTransaction, run: string, { slices, seed }: AskedReplay): Promise<string> {
  await tx.runs.require(run);
  const train = (await tx.runs.stages(run)).find(({ kind }) => kind === 'train');
  if (train?.spec.kind !== 'train' || train.chunksDone === 0)
    throw new SolopoError(
      'conflict',
      `Run ${run} has nothing to replay yet; ask again after its first slice of training.`,
    );
  const { engine, precision } = train.spec;
  const spec: StageSpecOf<'replay'> = {
    kind: 'replay',
    id: newReplayId(),
    run,
    train: train.digest,
    slices: drawSlices(seed, train.chunksDone, slices),
    seed,
    ...(engine === undefined ? {} : { engine }),
    ...(precision === undefined ? {} : { precision }),
  };
  const digest = digestOf(spec);
  await tx.stages.insert({ digest, spec, chunks: spec.slices.length, items: spec.slices.length });
  await enqueueOpenChunks(tx, await tx.stages.lock(digest));
  return spec.id;
}
