import { rm } from 'node:fs/promises';
import type { StageKind } from '@solopo/contracts';
import { waitFor } from '@solopo/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMPARED_RUN, expectSame, undisturbedRun, WORKERS } from './compared-run.ts';
import { prepareRetrieval } from './retrieval-run.ts';
import { System } from './system.ts';

/** The same run on two systems of their own: one is left in peace, the other's NATS loses its store in mid-run. */
let [calm, stormy] = [] as unknown as [System, System];
beforeAll(async () => {
  [calm, stormy] = await Promise.all([System.start(), System.start({ SOLOPO_SWEEP_MS: '1000' })]);
  await Promise.all([calm, stormy].map((system) => prepareRetrieval(system, 250)));
}, 180_000);
afterAll(() => Promise.all([calm.close(), stormy.close()]));

test('a NATS that loses its store in mid-run loses nothing: the run goes on by itself, to the same pairs and parameters', async () => {
  const undisturbed = await undisturbedRun(calm);

  // Nobody takes the jobs: they are in the store alone when it is lost.
  const { id } = await stormy.createRun(COMPARED_RUN);
  await waitFor('the jobs are published', async () => (await stormy.ledger.outbox.backlog()).unpublished === 0);
  await loseStore();
  // A worker that starts without its consumer ends, and it is for whoever starts it to start it again.
  await waitFor(
    'the consumers are made again',
    () => stormy.output.join('').includes('the consumer wanted-trainer was gone, and is made again'),
    60_000,
  );
  stormy.startWorkers(...WORKERS);
  await loseStoreDuring(id, 'sample');
  await loseStoreDuring(id, 'train');
  const disturbed = await stormy.finished(id, 150_000);

  await expectSame([calm, undisturbed], [stormy, disturbed]);
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
      60_000,
    );
    await loseStore();
  }
}, 400_000);

async function loseStore(): Promise<void> {
  await stormy.nats.kill();
  await rm(stormy.nats.dataDir, { recursive: true });
  await stormy.nats.restart();
}
