import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '@solopo/testing';
import type { StageKind } from '@solopo/contracts';
import { COMPARED_RUN, expectSame, undisturbedRun, WORKERS } from './compared-run.ts';
import { prepareRetrieval } from './retrieval-run.ts';
import { System, type Worker } from './system.ts';

/** The same run on two systems of their own: one is left in peace, in the other workers are killed in mid-job. */
let [calm, stormy] = [] as unknown as [System, System];
beforeAll(async () => {
  [calm, stormy] = await Promise.all([System.start(), System.start()]);
  await Promise.all([calm, stormy].map((system) => prepareRetrieval(system, 250)));
  // What a killed worker held moves on sooner.
  await stormy.setAckWait(3000);
}, 180_000);
afterAll(() => Promise.all([calm.close(), stormy.close()]));

test('kill -9 of datagen and of the trainer in mid-run changes nothing: the same pairs, no duplicates, bit-identical parameters', async () => {
  const undisturbed = await undisturbedRun(calm);

  stormy.startWorkers(...WORKERS);
  const { id } = await stormy.createRun(COMPARED_RUN);
  await killDuring(id, 'sample', 'datagen');
  await killDuring(id, 'train', 'trainer');
  const disturbed = await stormy.finished(id, 150_000);

  await expectSame([calm, undisturbed], [stormy, disturbed]);

  async function killDuring(run: string, kind: StageKind, worker: Worker): Promise<void> {
    await waitFor(
      `the ${kind} stage is under way`,
      async () =>
        (await stormy.ledger.runs.view(run)).stages.some((stage) => stage.kind === kind && stage.state === 'running'),
      60_000,
    );
    // In the middle of the computation, not of the transaction that begins it.
    await new Promise((resolve) => setTimeout(resolve, 150));
    const before = (await stormy.ledger.runs.view(run)).stages.find((stage) => stage.kind === kind);
    expect(before?.state, `the ${kind} stage was still under way at the kill`).toBe('running');
    await stormy.stop(worker, 'SIGKILL');
    stormy.startWorkers(worker);
  }
}, 400_000);
