import type { Verification } from '@solopo/contracts';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System } from './system.ts';

let system: System;
beforeAll(async () => {
  system = await System.start();
  await prepareRetrieval(system);
}, 60_000);
afterAll(() => system.close());

test('a run scored by an engine of two threads and trained by one of one thread has the scores of both, and is verified', async () => {
  system.startWorkers('datagen', 'trainer');
  system.startWorker('reward', { SOLOPO_THREADS: '2' });
  const { id } = await system.createRun(retrievalRun({ evaluation: null, alignment: { reference: 'per-context' } }));
  const run = await system.finished(id, 120_000);
  expect([run.state, run.error]).toEqual(['succeeded', null]);

  const { ledger } = system;
  const stage = run.stages.find(({ kind }) => kind === 'pair')?.digest ?? '';
  const model = (await ledger.runs.require(id)).resolved.model;
  const scoresOf = async (split: 'training' | 'held-out') => {
    const pairs = await ledger.pairs.list(stage, split, { from: 0, to: 1000 });
    const scores = await ledger.scores.all(
      stage,
      model,
      pairs.map(({ position }) => position),
    );
    return (threads: number) => scores.filter(({ engine }) => engine.includes(`; threads ${threads};`));
  };
  const training = await scoresOf('training');
  const heldOut = await scoresOf('held-out');
  const [trainer] = await ledger.steps.engines(id, run.step);
  expect(trainer).toContain('; threads 1;');
  const trained = new Set((await ledger.steps.chain(id)).flatMap(({ pairDigests }) => pairDigests));
  // The three rows that the objective reads of each pair that was trained on; a pair is scored once, whatever its slices.
  expect(training(1)).toHaveLength(3 * trained.size);
  expect(run.stages.find(({ kind }) => kind === 'train')?.result).toMatchObject({ rescored: 3 * trained.size });
  expect(training(2)).toHaveLength(4 * (run.pairs ?? NaN));
  expect([heldOut(1).length, heldOut(2).length]).toEqual([0, 4 * 8]);
  expect(system.output.join('')).toContain('scored the reference again');

  const { body } = await system.api.get(`/v1/runs/${id}/verify`).expect(200);
  expect((body as Verification).checks.filter(({ ok }) => !ok)).toEqual([]);
  expect((body as Verification).checks.find(({ name }) => name === 'scores')?.detail).toMatch(/ by 2 engines$/);
}, 180_000);

test('a scored row that somebody changes is found out, whichever engine made it', async () => {
  const [{ id }] = (await system.api.get('/v1/runs').expect(200)).body as [{ id: string }];
  const client = new pg.Client({ connectionString: system.databaseUrl });
  await client.connect();
  try {
    for (const threads of [1, 2]) {
      const negate = async () => {
        await client.query('alter table scores disable trigger append_only');
        const { rowCount } = await client.query(
          `update scores set sum = -sum where engine like $1 and position =
             (select min(position) from scores where engine like '%; threads 1;%')`,
          [`%; threads ${threads};%`],
        );
        await client.query('alter table scores enable always trigger append_only');
        expect(rowCount).toBeGreaterThan(0);
      };
      await negate();
      const { body } = await system.api.get(`/v1/runs/${id}/verify`).expect(200);
      const { ok, checks } = body as Verification;
      expect(ok).toBe(false);
      expect(checks.find(({ name }) => name === 'scores')?.detail).toContain(`; threads ${threads};`);
      // Only what the trainer made again is in the chain.
      expect(checks.find(({ name }) => name === 'steps')?.ok).toBe(threads === 2);
      await negate();
    }
  } finally {
    await client.end();
  }
});

test('an identical run finds these scores, makes none and ends with the same chain head', async () => {
  const before = await system.ledger.counts();
  const [first] = (await system.api.get('/v1/runs').expect(200)).body as { chainHead: string }[];
  const { id } = await system.createRun(
    retrievalRun({ name: 'again', evaluation: null, alignment: { reference: 'per-context' } }),
  );
  const again = await system.finished(id, 120_000);
  expect(again.chainHead).toBe(first?.chainHead);
  expect(again.stages.find(({ kind }) => kind === 'train')?.result).toMatchObject({ rescored: 0 });
  expect(await system.ledger.counts()).toMatchObject({ scores: before.scores, steps: before.steps + 4 });
}, 180_000);
