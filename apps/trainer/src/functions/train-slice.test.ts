import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FolderStore } from '@solopo/artifacts';
import type { EventBus, JobContext } from '@solopo/bus';
import { digestOf, runConfigSchema, sha256, type ReplayedSlice, type StageSpecOf } from '@solopo/contracts';
import { Engine } from '@solopo/engine';
import { Ledger } from '@solopo/ledger';
import { chainConfig, chainSteps, sliceRange, trainSpec } from '@solopo/pipeline';
import { createLogger, Metrics } from '@solopo/platform';
import { startPostgres, type TestPostgres } from '@solopo/testing';
import { ModelFiles, type WorkerConfig } from '@solopo/worker';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ReferenceScores } from '../reference-scores.ts';
import { SliceTaker } from '../slice-taker.ts';
import { TrainingMetrics } from '../training.metrics.ts';
import { ReplaySlice } from './replay-slice.ts';
import { TrainSlice } from './train-slice.ts';
import { insertPairs } from '../training-pairs.fixture.ts';

const FOLDER = fileURLToPath(new URL('../../../../data/models/retrieval-144k', import.meta.url));
const FILES = ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
const PAIRS = 4;

const config = runConfigSchema.parse({
  name: 'a run',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 4 } },
  objective: { kind: 'simpo' },
  training: { pairsPerStep: 2, stepsPerSlice: 1, epochs: 2 },
});

const engine = new Engine({ threads: 1 });
let postgres: TestPostgres;
let ledger: Ledger;
let root: string;
let artifacts: FolderStore;
let trainSlice: TrainSlice;
let replaySlice: ReplaySlice;
let model: string;
let pair: string;

beforeAll(async () => {
  postgres = await startPostgres();
  ledger = Ledger.open(await postgres.createDatabase());
  await ledger.migrate();
  root = await mkdtemp(join(tmpdir(), 'solopo-train-slice-'));
  artifacts = await FolderStore.open(root);
  const files: Record<string, string> = {};
  for (const file of FILES) files[file] = (await artifacts.put(await readFile(join(FOLDER, file)))).digest;
  model = digestOf(files);
  await ledger.models.register({ digest: model, name: 'tiny', family: 'llama', config: {}, files, parameters: 1 });
  pair = await pairStage();
  const models = new ModelFiles(ledger, artifacts);
  const logger = createLogger('trainer', 'silent');
  const metrics = new Metrics();
  const references = new ReferenceScores(
    ledger,
    models,
    engine,
    { batchTokens: 8192 } as WorkerConfig,
    logger,
    metrics,
  );
  // Nobody watches.
  const events = { publish: () => undefined } as unknown as EventBus;
  const slices = new SliceTaker(ledger, models, engine, references);
  replaySlice = new ReplaySlice(ledger, slices);
  trainSlice = new TrainSlice(ledger, artifacts, slices, events, new TrainingMetrics(metrics), logger);
});
afterAll(async () => {
  engine.close();
  await ledger.close();
  await postgres.stop();
  await rm(root, { recursive: true });
});

async function pairStage(): Promise<string> {
  const spec = { kind: 'pair', sample: sha256('sample'), pairing: config.pairing } as const;
  const stage = digestOf(spec);
  await ledger.stages.insert({ digest: stage, spec, chunks: 1 });
  await insertPairs(ledger, stage, PAIRS);
  await ledger.stages.finishChunk(stage, 0, { seconds: 1, result: { pairs: PAIRS, heldOut: 0 } });
  return stage;
}

const context = { signal: new AbortController().signal, advanced: () => Promise.resolve() } as unknown as JobContext;

let runs = 0;
let spec: StageSpecOf<'train'>;
beforeEach(async () => {
  spec = await newRun();
});

async function newRun(): Promise<StageSpecOf<'train'>> {
  const id = `run_${(runs += 1)}`;
  const resolved = { model, dataset: sha256('questions'), evaluationDataset: null };
  await ledger.runs.create({ id, config, resolved });
  return { ...trainSpec({ id, config, ...resolved }), pair };
}

async function take(slice: number, of = spec): Promise<void> {
  const range = sliceRange(of.training, slice, PAIRS);
  const work = { stage: sha256('train'), spec: of, range, start: range.from, items: PAIRS };
  const { write } = await trainSlice.execute(work, context);
  await ledger.transaction(write);
}

async function flip(digest: string): Promise<void> {
  const content = await readFile(artifacts.path(digest));
  content[content.length >> 1]! ^= 1;
  await chmod(artifacts.path(digest), 0o644);
  await writeFile(artifacts.path(digest), content);
}

describe('a slice of training', () => {
  it.each([
    ['a byte of the optimiser’s state was turned', 1, (state: string) => flip(state)],
    ['the optimiser’s state is lost', 1, (state: string) => rm(artifacts.path(state))],
    ['a byte of the policy was turned', 1, (_: string, policy: string) => flip(policy)],
    ['the checkpoint before is lost too', 2, (state: string) => rm(artifacts.path(state))],
  ])('makes its checkpoint again where %s, and goes on to the same bits', async (_, last, touch) => {
    for (const slice of [0, 1, 2]) await take(slice);
    const undisturbed = await ledger.steps.head(spec.run);
    spec = await newRun();
    for (let slice = 0; slice < 2; slice++) await take(slice);
    const checkpoints = await ledger.checkpoints.list(spec.run);
    for (const { digest, parametersDigest } of checkpoints.slice(-last)) await touch(digest, parametersDigest);
    await take(2);
    expect(await ledger.steps.head(spec.run)).toEqual(undisturbed);
    const { digest, parametersDigest } = checkpoints.at(-1)!;
    await artifacts.demandWhole(digest);
    await artifacts.demandWhole(parametersDigest);
  });

  it('says what is damaged and what to do where another engine made the checkpoint', async () => {
    const lost = sha256('what another engine made');
    await ledger.checkpoints.insert(spec.run, { step: 1, digest: lost, parametersDigest: lost });
    await take(0);
    await expect(take(1)).rejects.toMatchObject({
      code: 'artifact-damaged',
      message: expect.stringMatching(
        new RegExp(
          `^The policy after step 1 of run ${spec.run}: There is no artifact ${lost}.* came out differently, on the engine .* from a backup`,
        ),
      ) as string,
    });
    expect(await ledger.steps.head(spec.run)).toMatchObject({ step: 1 });
  });

  it('is not taken from a base model whose weights were altered', async () => {
    const weights = (await ledger.models.require('tiny')).files['model.safetensors']!;
    const content = await readFile(artifacts.path(weights));
    await flip(weights);
    await expect(take(0)).rejects.toMatchObject({
      code: 'artifact-damaged',
      message: expect.stringMatching(
        /^A file of the model tiny: Artifact \w+ \(model\.safetensors\) is damaged;/,
      ) as string,
    });
    expect(await ledger.steps.head(spec.run)).toMatchObject({ step: 0 });
    await artifacts.put(content);
    await take(0);
  });
});

describe('a replay', () => {
  /** Takes the slices once more. */
  async function replay(...slices: number[]): Promise<ReplayedSlice[]> {
    const train = digestOf(spec);
    await ledger.stages.insert({ digest: train, spec, chunks: 3 });
    const asked = { kind: 'replay', id: 'replay_1', run: spec.run, train, slices, seed: 1 } as const;
    const found: ReplayedSlice[] = [];
    for (const index of slices.keys()) {
      const range = { from: index, to: index + 1 };
      const work = { stage: sha256('replay'), spec: asked, range, start: index, items: slices.length };
      const { result, write } = await replaySlice.execute(work, context);
      await ledger.transaction(write);
      found.push(...Object.values(result['slices'] as Record<string, ReplayedSlice>));
    }
    return found;
  }

  /** The slice as the run of before had it, by somebody with all rights, who makes the chain fit what he wrote. */
  async function forge(
    slice: number,
    from: string,
    { engine, parameters }: { readonly engine?: string; readonly parameters?: string },
  ): Promise<void> {
    const step = slice + 1;
    const row = (await ledger.steps.chain(from))[slice]!;
    const checkpoint = (await ledger.checkpoints.list(from))[slice]!;
    const ends = { parameters: parameters ?? checkpoint.parametersDigest, optimizer: checkpoint.digest };
    const { digest: before } = await ledger.steps.head(spec.run);
    const link = {
      step,
      pairDigests: row.pairDigests,
      reference: row.pairDigests.map(() => ({})),
      metrics: row.metrics,
    };
    const setting = { config: chainConfig(spec), engine: engine ?? row.engine! };
    const chain = chainSteps(before, setting, [{ ...link, ...ends }]);
    await ledger.steps.append(spec.run, chain);
    await ledger.checkpoints.insert(spec.run, { ...checkpoint, parametersDigest: ends.parameters });
  }

  /** The parameters with one bit of the last number turned, as an artifact of its own. */
  async function otherParameters(digest: string): Promise<string> {
    const content = await readFile(artifacts.path(digest));
    content[content.length - 4]! ^= 1;
    return (await artifacts.put(content)).digest;
  }

  it('comes to the same digests where nothing was touched, and leaves nothing behind', async () => {
    for (const slice of [0, 1, 2]) await take(slice);
    const before = [await ledger.counts(), (await readdir(root, { recursive: true })).sort()];
    const replayed = await replay(0, 2);
    expect(replayed).toMatchObject([
      { slice: 0, from: 1, to: 1, outcome: 'equal' },
      { slice: 2, from: 3, to: 3, outcome: 'equal' },
    ]);
    expect(replayed[0]?.replayedBy).toBe(replayed[0]?.recordedBy);
    expect([await ledger.counts(), (await readdir(root, { recursive: true })).sort()]).toEqual(before);
  });

  it('finds parameters that training does not give, also in a chain that was made to fit them', async () => {
    for (const slice of [0, 1]) await take(slice);
    const honest = spec.run;
    const { parametersDigest } = (await ledger.checkpoints.list(honest))[1]!;
    spec = await newRun();
    await take(0);
    await forge(1, honest, { parameters: await otherParameters(parametersDigest) });
    await take(2);
    expect(await replay(0, 1, 2)).toMatchObject([
      { outcome: 'equal' },
      { outcome: 'differs', detail: 'step 2 comes out differently; after step 2 other parameters' },
      { outcome: 'equal' },
    ]);
  });

  it('by another engine than the recorded one tells of other numbers, and fails nothing', async () => {
    await take(0);
    await take(1);
    const honest = spec.run;
    const { parametersDigest } = (await ledger.checkpoints.list(honest))[1]!;
    spec = await newRun();
    await forge(0, honest, { engine: 'another engine' });
    await forge(1, honest, { engine: 'another engine', parameters: await otherParameters(parametersDigest) });
    expect(await replay(0, 1)).toMatchObject([
      { outcome: 'equal', recordedBy: 'another engine' },
      {
        outcome: 'other-engine',
        recordedBy: 'another engine',
        detail: expect.stringMatching(/other parameters/) as string,
      },
    ]);
  });

  it('does not mend what it starts from, and says what is damaged', async () => {
    for (const slice of [0, 1]) await take(slice);
    const { digest } = (await ledger.checkpoints.list(spec.run))[0]!;
    await rm(artifacts.path(digest));
    expect(await replay(1)).toMatchObject([
      {
        outcome: 'unreadable',
        replayedBy: null,
        detail: expect.stringMatching(/^The optimiser's state after step 1 /) as string,
      },
    ]);
    await expect(artifacts.demandWhole(digest)).rejects.toMatchObject({ code: 'not-found' });
  });
});
