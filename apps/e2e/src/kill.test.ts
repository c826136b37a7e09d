import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '@solopo/testing';
import type { RunView, StageKind } from '@solopo/contracts';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
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

const config = retrievalRun({
  sampling: { samplesPerContext: 32, temperature: 0.85, maxNewTokens: 3 },
  training: { pairsPerStep: 16, learningRate: 5e-4, stepsPerSlice: 4, maxSteps: 8, betas: [0.9, 0.98] },
  evaluation: null,
});

test('kill -9 of datagen and of the trainer in mid-run changes nothing: the same pairs, no duplicates, bit-identical parameters', async () => {
  calm.startWorkers('datagen', 'reward', 'trainer');
  const undisturbed = await calm.finished((await calm.createRun(config)).id);
  await Promise.all((['datagen', 'reward', 'trainer'] as const).map((worker) => calm.stop(worker)));

  stormy.startWorkers('datagen', 'reward', 'trainer');
  const { id } = await stormy.createRun(config);
  await killDuring(id, 'sample', 'datagen');
  await killDuring(id, 'train', 'trainer');
  const disturbed = await stormy.finished(id, 150_000);

  expect([undisturbed.state, disturbed.state]).toEqual(['succeeded', 'succeeded']);
  const pairsOf = async (system: System, run: RunView) =>
    system.ledger.pairs.views(run.stages.find(({ kind }) => kind === 'pair')!.digest, { from: 0, to: 1000 });
  const pairs = await pairsOf(calm, undisturbed);
  expect(pairs.length).toBeGreaterThan(50);
  expect(await pairsOf(stormy, disturbed)).toEqual(pairs);
  expect(disturbed.policyDigest).toBe(undisturbed.policyDigest);
  expect(disturbed.chainHead).toBe(undisturbed.chainHead);
  expect(disturbed.policyTokens).toBe(undisturbed.policyTokens);
  const { models: _m, datasets: _d, ...counts } = await calm.ledger.counts();
  expect(await stormy.ledger.counts()).toMatchObject(counts);

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
