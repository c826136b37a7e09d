import { fileURLToPath } from 'node:url';
import type { JobContext } from '@solopo/bus';
import { digestOf, runConfigSchema, sha256, type StageSpecOf } from '@solopo/contracts';
import { Engine, type Tasks } from '@solopo/engine';
import { Ledger } from '@solopo/ledger';
import { startPostgres, type TestPostgres } from '@solopo/testing';
import type { Effects, ModelFiles, WorkerConfig } from '@solopo/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HeldOutContexts } from '../held-out-contexts.ts';
import { AlignPolicy } from './align-policy.ts';

const FOLDER = fileURLToPath(new URL('../../../../data/models/retrieval-144k', import.meta.url));
const MODEL = sha256('model');
const PAIRS = 7;
const configOf = (more: object) =>
  runConfigSchema.parse({
    name: 'a run',
    model: 'tiny',
    dataset: 'questions',
    contexts: { long: { documents: 4 } },
    ...more,
  });
const config = configOf({});

const engine = new Engine({ threads: 1 });
let postgres: TestPostgres;
let ledger: Ledger;
let pair: string;
beforeAll(async () => {
  postgres = await startPostgres();
  ledger = Ledger.open(await postgres.createDatabase());
  await ledger.migrate();
  pair = await addPairs();
});
afterAll(async () => {
  engine.close();
  await ledger.close();
  await postgres.stop();
});

const tokens = (length: number, seed: number) => Int32Array.from({ length }, (_, i) => 4 + ((i * i + seed) % 50));

/** Held-out pairs with contexts of their own, and the reference's scores of each row. */
async function addPairs(): Promise<string> {
  const spec = { kind: 'pair', sample: sha256('sample'), pairing: config.pairing } as const;
  const stage = digestOf(spec);
  await ledger.stages.insert({ digest: stage, spec, chunks: 1 });
  const context = (kind: 'short' | 'long', position: number) => ({
    digest: sha256(`${kind} ${position}`),
    kind,
    tokens: tokens((kind === 'short' ? 20 : 60) + ((position * 13) % 40), position),
    evidence: [],
  });
  const positions = Array.from({ length: PAIRS }, (_, position) => position);
  await ledger.contexts.insert(
    positions.flatMap((position) => [context('short', position), context('long', position)]),
  );
  await ledger.pairs.insert(
    stage,
    positions.map((position) => ({
      position,
      digest: sha256(`pair ${position}`),
      shortContext: sha256(`short ${position}`),
      longContext: sha256(`long ${position}`),
      chosen: tokens(1 + (position % 2), position),
      rejected: tokens(1 + (position % 3), position + 7),
      chosenText: 'right',
      rejectedText: 'wrong',
      chosenSample: 0,
      rejectedSample: 1,
      heldOut: true,
      ordinal: position,
    })),
  );
  const row = { engine: await engine.run('fingerprint', {}), logps: Float32Array.of(-1) };
  await ledger.scores.insert(
    stage,
    MODEL,
    positions.flatMap((position) =>
      (['short', 'long'] as const).flatMap((context) =>
        (['chosen', 'rejected'] as const).map((response) => ({
          ...row,
          position,
          context,
          response,
          sum: -1 - position / 7,
        })),
      ),
    ),
  );
  return stage;
}

async function addStage(run: string, objective: object): Promise<{ stage: string; spec: StageSpecOf<'align'> }> {
  await ledger.runs.create({ id: run, config, resolved: { model: MODEL, dataset: MODEL, evaluationDataset: null } });
  const spec = {
    kind: 'align',
    run,
    step: 1,
    policy: sha256('policy'),
    model: MODEL,
    adapter: null,
    pair,
    objective: configOf({ objective }).objective,
    alignment: config.alignment,
  } as StageSpecOf<'align'>;
  const stage = digestOf(spec);
  await ledger.stages.insert({ digest: stage, spec, chunks: 1 });
  return { stage, spec };
}

/** The function over the real engine; in a hurry, the time is over after every measured pair. */
function align({ hurry }: { readonly hurry: boolean }): AlignPolicy {
  const run = (task: 'measure', input: Tasks['measure']['input']) =>
    engine.run(task, hurry && input.sliceMs !== undefined ? { ...input, sliceMs: 0 } : input);
  const contexts = {
    read: (_: string, pairs: readonly { readonly position: number }[]) =>
      Promise.resolve(
        pairs.map(({ position }) => ({ bare: tokens(9 + position, position), evidence: position / PAIRS })),
      ),
  };
  return new AlignPolicy(
    ledger,
    { source: () => Promise.resolve({ folder: FOLDER }) } as unknown as ModelFiles,
    { run } as unknown as Engine,
    contexts as unknown as HeldOutContexts,
    { batchTokens: 250 } as WorkerConfig,
  );
}

const context = { signal: new AbortController().signal, working() {}, advanced() {} } as unknown as JobContext;
const write = ({ write }: Effects) => ledger.transaction((tx) => write(tx));

describe.each([{ kind: 'dpo' }, { kind: 'orpo', nll: 'all' }])('alignment under $kind', (objective) => {
  test('has the same figures in one go and in slices, of which a killed one alone is lost', async () => {
    const whole = await addStage(`whole ${objective.kind}`, objective);
    const work = { start: 0, items: PAIRS };
    const inOne = await align({ hurry: false }).execute({ ...whole, ...work, range: { from: 0, to: PAIRS } }, context);
    expect([inOne.itemsDone, inOne.result]).toEqual([undefined, { pairs: PAIRS }]);
    await write(inOne);

    const sliced = await addStage(`sliced ${objective.kind}`, objective);
    const slices: number[] = [];
    for (let from = 0; from < PAIRS;) {
      const begun = { ...sliced, ...work, range: { from, to: PAIRS } };
      // Its process is killed before it commits.
      if (from === 3) await align({ hurry: true }).execute(begun, context);
      const effects = await align({ hurry: true }).execute(begun, context);
      expect(await ledger.alignments.ofRun(sliced.spec.run)).toEqual([]);
      await write(effects);
      slices.push(effects.itemsDone ?? PAIRS - from);
      from += slices.at(-1) ?? 0;
    }
    expect(slices).toEqual(Array<number>(PAIRS).fill(1));
    const [[one], [put]] = [
      await ledger.alignments.ofRun(whole.spec.run),
      await ledger.alignments.ofRun(sliced.spec.run),
    ];
    expect(Object.keys(one?.metrics ?? {}).length).toBeGreaterThan(20);
    expect(put).toEqual(one);
    expect(await ledger.alignments.details(sliced.spec.run, 1)).toEqual(
      await ledger.alignments.details(whole.spec.run, 1),
    );
  });
});
