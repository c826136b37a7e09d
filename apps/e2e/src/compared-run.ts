import type { RunView } from '@solopo/contracts';
import { expect } from 'vitest';
import { retrievalRun } from './retrieval-run.ts';
import type { System } from './system.ts';

export const WORKERS = ['datagen', 'reward', 'trainer'] as const;

/** Of two systems, one that is left in peace and one that is disturbed. */
export const COMPARED_RUN = retrievalRun({
  sampling: { samplesPerContext: 32, temperature: 0.85, maxNewTokens: 3 },
  training: { pairsPerStep: 16, learningRate: 5e-4, stepsPerSlice: 4, maxSteps: 8, betas: [0.9, 0.98] },
  evaluation: null,
});

/** The run, by workers that are gone afterwards. */
export async function undisturbedRun(system: System): Promise<RunView> {
  system.startWorkers(...WORKERS);
  const run = await system.finished((await system.createRun(COMPARED_RUN)).id);
  await Promise.all(WORKERS.map((worker) => system.stop(worker)));
  return run;
}

/** The same pairs, parameters, chain and rows, and no more of them. */
export async function expectSame(
  [calm, undisturbed]: readonly [System, RunView],
  [stormy, disturbed]: readonly [System, RunView],
): Promise<void> {
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
}
