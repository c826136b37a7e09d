import { fileURLToPath } from 'node:url';
import { digestOf, runConfigSchema, sha256, type StageSpecOf } from '@solopo/contracts';
import { Engine } from '@solopo/engine';
import { Ledger, type PairRecord, type Score } from '@solopo/ledger';
import { sumOf } from '@solopo/pipeline';
import { createLogger, Metrics } from '@solopo/platform';
import { startPostgres, type TestPostgres } from '@solopo/testing';
import type { ModelFiles, WorkerConfig } from '@solopo/worker';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ReferenceScores } from './reference-scores.ts';
import { insertPairs } from './training-pairs.fixture.ts';

const FOLDER = fileURLToPath(new URL('../../../data/models/retrieval-144k', import.meta.url));
const MODEL = sha256('model');
const OTHER = 'an engine of another fingerprint';

const { objective, alignment, pairing } = runConfigSchema.parse({
  name: 'a run',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 4 } },
  alignment: { reference: 'per-context' },
});

const engine = new Engine({ threads: 1 });
const metrics = new Metrics();
let postgres: TestPostgres;
let ledger: Ledger;
let own: string;
let references: ReferenceScores;
beforeAll(async () => {
  postgres = await startPostgres();
  ledger = Ledger.open(await postgres.createDatabase());
  await ledger.migrate();
  own = await engine.run('fingerprint', {});
  const models = { source: () => Promise.resolve({ folder: FOLDER }) } as unknown as ModelFiles;
  const config = { batchTokens: 8192 } as WorkerConfig;
  references = new ReferenceScores(ledger, models, engine, config, createLogger('trainer', 'silent'), metrics);
});
afterAll(async () => {
  engine.close();
  await ledger.close();
  await postgres.stop();
});

let spec: StageSpecOf<'train'>;
let pairs: PairRecord[];
let count = 0;
beforeEach(async () => {
  count += 1;
  const pairStage = { kind: 'pair', sample: sha256(`sample ${count}`), pairing } as const;
  const stage = digestOf(pairStage);
  await ledger.stages.insert({ digest: stage, spec: pairStage, chunks: 1 });
  spec = {
    kind: 'train',
    run: 'a run',
    pair: stage,
    model: MODEL,
    arm: 'solo',
    objective,
    alignment,
    seed: 1,
  } as StageSpecOf<'train'>;
  await insertPairs(ledger, stage, 3);
  pairs = await ledger.pairs.training(stage, [0, 1, 2]);
});

/** Numbers that no engine gives. */
function scoresBy(fingerprint: string, position: number, sum: number): Score[] {
  return (['short', 'long'] as const).flatMap((context) =>
    (['chosen', 'rejected'] as const).map((response) => {
      const logps = Float32Array.of(sum);
      return { position, context, response, engine: fingerprint, logps, sum: sumOf(logps) };
    }),
  );
}

const read = () => references.read(spec, pairs, own, {});
const counted = async () =>
  (await metrics.registry.getSingleMetricAsString('solopo_rescored_rows_total')).split(' ').at(-1);

test('scores of its own engine are read as they are, though another engine was first', async () => {
  for (const [by, sum] of [
    [OTHER, -1],
    [own, -2],
  ] as const)
    for (const { position } of pairs) await ledger.scores.insert(spec.pair, MODEL, scoresBy(by, position, sum));
  const { sums, rescored } = await read();
  expect(rescored).toEqual([]);
  for (const { position } of pairs)
    expect(sums.get(position)).toMatchObject({ shortChosen: -2, shortRejected: -2, longChosen: -2 });
});

test('exactly the rows that only another engine has scored are scored again, and recorded once', async () => {
  const before = Number(await counted());
  for (const { position } of pairs) await ledger.scores.insert(spec.pair, MODEL, scoresBy(OTHER, position, -1));
  await ledger.scores.insert(spec.pair, MODEL, scoresBy(own, 1, -2));
  const first = await read();
  expect(first.rescored.map(({ position, context, response }) => [position, context, response])).toEqual(
    [0, 2].flatMap((position) => [
      [position, 'short', 'chosen'],
      [position, 'short', 'rejected'],
      [position, 'long', 'chosen'],
    ]),
  );
  expect(Number(await counted())).toBe(before + 6);

  const trees = pairs.map(({ short, long, chosen, rejected }) =>
    [short, long].map((prompt) => ({ prompt, branches: [chosen, rejected] })),
  );
  const alone = async (pair: number, context: number) => {
    const tree = trees[pair]?.[context];
    if (tree === undefined) throw new Error('no such pair');
    const { logps } = await engine.run('score', { model: { folder: FOLDER }, trees: [tree], batchTokens: 1 });
    return logps[0]?.map(sumOf);
  };
  for (const pair of [0, 2]) {
    const [shortChosen, shortRejected] = (await alone(pair, 0)) ?? [];
    const [longChosen] = (await alone(pair, 1)) ?? [];
    expect(first.sums.get(pair)).toEqual({ shortChosen, shortRejected, longChosen });
  }
  expect(first.sums.get(1)).toMatchObject({ shortChosen: -2, shortRejected: -2, longChosen: -2 });

  // A job that is delivered again before the commit makes the same; after it, nothing.
  expect(await read()).toEqual(first);
  await ledger.transaction((tx) => tx.scores.insert(spec.pair, MODEL, first.rescored));
  await ledger.transaction((tx) => tx.scores.insert(spec.pair, MODEL, first.rescored));
  const after = await read();
  expect(after.rescored).toEqual([]);
  for (const pair of [0, 2]) expect(after.sums.get(pair)).toEqual(first.sums.get(pair));
  expect((await ledger.scores.list(spec.pair, MODEL, [0])).map(({ engine: by, sum }) => [by, sum])).toEqual(
    Array.from({ length: 4 }, () => [OTHER, -1]),
  );
});

test('scores of another format are never taken, though the same engine made them', async () => {
  const int8 = await engine.run('fingerprint', { frozenWeights: 'int8' });
  for (const { position } of pairs) await ledger.scores.insert(spec.pair, MODEL, scoresBy(own, position, -1));
  const asked: unknown[] = [];
  const models = {
    source: (_: string, of: object) => {
      asked.push(of);
      return Promise.resolve({ folder: FOLDER, ...of });
    },
  } as unknown as ModelFiles;
  const config = { batchTokens: 8192 } as WorkerConfig;
  const lower = new ReferenceScores(ledger, models, engine, config, createLogger('trainer', 'silent'), new Metrics());
  const { sums, rescored } = await lower.read({ ...spec, frozenWeights: 'int8' }, pairs, int8, {});
  expect(asked).toEqual([{ frozenWeights: 'int8' }]);
  expect(rescored).toHaveLength(9);
  for (const score of rescored) expect(score.engine).toBe(int8);
  expect(sums.get(0)?.shortChosen).not.toBe(-1);
  // And not those of int8 by a run in float32, which has its own.
  await ledger.transaction((tx) => tx.scores.insert(spec.pair, MODEL, rescored));
  expect((await read()).sums.get(0)?.shortChosen).toBe(-1);
});

test('a row that no engine has scored is an error, not a zero', async () => {
  for (const { position } of pairs)
    await ledger.scores.insert(
      spec.pair,
      MODEL,
      scoresBy(OTHER, position, -1).filter((score) => position !== 2 || score.context === 'short'),
    );
  await expect(read()).rejects.toMatchObject({
    code: 'internal',
    message: `Pair ${sha256('pair 2')} has no reference score for longChosen; report this as a defect.`,
  });
});
