import { rm } from 'node:fs/promises';
import type { RunView, StageKind } from '@solopo/contracts';
import { waitFor } from '@solopo/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System } from './system.ts';

const WORKERS = ['datagen', 'reward', 'trainer'] as const;

/** The same run on two systems of their own: one is left in peace, the other's NATS loses its store in mid-run. */
let [calm, stormy] = [] as unknown as [System, System];
beforeAll(async () => {
  [calm, stormy] = await Promise.all([System.start(), System.start({ SOLOPO_SWEEP_MS: '1000' })]);
  await Promise.all([calm, stormy].map((system) => prepareRetrieval(system, 250)));
}, 180_000);
afterAll(() => Promise.all([calm.close(), stormy.close()]));

const config = retrievalRun({
  sampling: { samplesPerContext: 32, temperature: 0.85, maxNewTokens: 3 },
  training: { pairsPerStep: 16, learningRate: 5e-4, stepsPerSlice: 4, maxSteps: 8, betas: [0.9, 0.98] },
  evaluation: null,
});

test('a NATS that loses its store in mid-run loses nothing: the run goes on by itself, to the same pairs and parameters', async () => {
  calm.startWorkers(...WORKERS);
  const undisturbed = await calm.finished((await calm.createRun(config)).id);
  await Promise.all(WORKERS.map((worker) => calm.stop(worker)));

  // Nobody takes the jobs: they are in the store alone when it is lost.
  const { id } = await stormy.createRun(config);
  await waitFor('the jobs are published', async () => (await stormy.ledger.outbox.backlog()).unpublished === 0);
  await loseStore();
  stormy.startWorkers(...WORKERS);
  await loseStoreDuring(id, 'sample');
  await loseStoreDuring(id, 'train');
  const disturbed = await stormy.finished(id, 150_000);

  expect([undisturbed.state, disturbed.state]).toEqual(['succeeded', 'succeeded']);
  const pairsOf = async (system: System, run: RunView) =>
    system.ledger.pairs.views(run.stages.find(({ kind }) => kind === 'pair')!.digest, { from: 0, to: 1000 });
  const pairs = await pairsOf(calm, undisturbed);
  expect(pairs.length).toBeGreaterThan(50);
  expect(await pairsOf(stormy, disturbed)).toEqual(pairs);
  expect(disturbed.policyDigest).toBe(undisturbed.policyDigest);
  expect(disturbed.chainHead).toBe(undisturbed.chainHead);
  const { models: _m, datasets: _d, ...counts } = await calm.ledger.counts();
  expect(await stormy.ledger.counts()).toMatchObject(counts);
  // No worker died: what one worked on was never another's, too.
  expect(disturbed.work.executions).toBe(disturbed.work.jobs);
  const output = stormy.output.join('');
  expect(output).toContain('the stream WORK was gone, and is made again');
  expect(output).toContain('the queue had lost jobs; they are published again');
  const { text } = await stormy.api.get('/metrics').expect(200);
  expect(text).toMatch(/solopo_republished_jobs_total\{subject="jobs\.datagen\.compose"\} [1-9]/);

  async function loseStoreDuring(run: string, kind: StageKind): Promise<void> {
    await waitFor(
      `the ${kind} stage is under way`,
      async () =>
        (await stormy.ledger.runs.view(run)).stages.some((stage) => stage.kind === kind && stage.state === 'running'),
      150_000,
    );
    await loseStore();
  }
}, 400_000);

async function loseStore(): Promise<void> {
  await stormy.nats.kill();
  await rm(stormy.nats.dataDir, { recursive: true });
  await stormy.nats.restart();
}
