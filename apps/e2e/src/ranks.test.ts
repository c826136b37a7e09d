import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats, EventBus } from '@solopo/bus';
import type { RunView, Verification } from '@solopo/contracts';
import { NO_TORCH, torchPython } from '@solopo/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System } from './system.ts';

/** Runs by PyTorch, scored and trained over two ranks, through the real services. */
const python = torchPython();
const isLinux = process.platform === 'linux';
const RANKS = { SOLOPO_RANKS: '2' };
const [STEPS, SLICE] = [24, 12];

let system: System | undefined;
let undisturbed: RunView;
beforeAll(async () => {
  if (python === undefined || !isLinux) return;
  const pools = ['datagen', 'reward', 'trainer'].map((app) => ({
    name: app,
    app,
    engines: ['torch'],
    ranks: app === 'datagen' ? 1 : 2,
  }));
  system = await System.start({
    SOLOPO_ENGINES: 'torch',
    SOLOPO_TORCH_PYTHON: python,
    SOLOPO_DEVICE: 'cpu',
    SOLOPO_POOLS: JSON.stringify(pools),
  });
  await prepareRetrieval(system);
  system.startWorkers('datagen');
  system.startWorker('reward', RANKS);
  system.startWorker('trainer', RANKS);
  undisturbed = await system.finished((await system.createRun(config)).id, 800_000);
}, 900_000);
afterAll(() => system?.close());

const config = retrievalRun({
  name: 'two ranks',
  engine: 'torch',
  training: {
    pairsPerStep: 8,
    learningRate: 5e-4,
    stepsPerSlice: SLICE,
    betas: [0.9, 0.98],
    epochs: 20,
    maxSteps: STEPS,
  },
});
const why = isLinux ? NO_TORCH : 'which process is which rank is told by /proc alone';

test('a run over two ranks goes through every stage, by one engine, and is verified', async (context) => {
  if (system === undefined) return context.skip(why);
  expect([undisturbed.state, undisturbed.error, undisturbed.step]).toEqual(['succeeded', null, STEPS]);
  expect(undisturbed.warnings.map(({ kind }) => kind)).not.toContain('uneven-ranks');
  const { body } = await system.api.get(`/v1/runs/${undisturbed.id}/verify`).expect(200);
  expect((body as Verification).checks.filter(({ ok }) => !ok)).toEqual([]);
  const [engine] = await system.ledger.steps.engines(undisturbed.id, undisturbed.step);
  expect(engine).toMatch(/^torch .*; ranks 2, sequence 1/);
  // The reward's ranks are the trainer's, to the bit.
  expect(undisturbed.stages.find(({ kind }) => kind === 'train')?.result).toMatchObject({ rescored: 0 });
});

test('kill -9 of one of two ranks in mid-slice: the slice is taken again, and the parameters are the same', async (context) => {
  if (system === undefined) return context.skip(why);
  const { ledger } = system;
  const connection = await connectNats(system.nats.url, 'e2e');
  const { id } = await system.createRun(config);
  // The first step of the second slice is told, and eleven more are to come.
  for await (const { event } of new EventBus(connection).subscribe({ run: id }))
    if (event.type === 'run.step' && event.data['step'] === SLICE + 1) break;
  const rank = rankOf(system.pid('trainer')!, 1);
  process.kill(rank, 'SIGSTOP');
  await connection.close();
  await sleep(1000);
  const before = await ledger.runs.view(id);
  expect([before.state, before.step], 'the second slice is under way').toEqual(['running', SLICE]);
  const [slice] = await ledger.leases.ofStages([before.stages.find(({ kind }) => kind === 'train')!.digest]);
  process.kill(rank, 'SIGKILL');

  const run = await system.finished(id, 500_000);
  expect([run.state, run.error, run.step]).toEqual(['succeeded', null, STEPS]);
  expect(run.policyDigest).toBe(undisturbed.policyDigest);
  expect(run.chainHead).toBe(undisturbed.chainHead);
  expect(run.policyTokens).toBe(undisturbed.policyTokens);
  expect(run.work.executions).toBe(run.work.jobs + 1);
  const ended = new RegExp(`\\(rank 1 of 2 \\(process ${rank}\\) ended by SIGKILL`);
  expect(await ledger.attempts.list(slice!.job)).toMatchObject([
    { outcome: 'engine-failed', error: expect.stringMatching(ended) as string },
    { outcome: 'completed', error: null },
  ]);
}, 600_000);

/** Below a worker, the process of PyTorch that is a rank: the first of those that are told so. */
function rankOf(worker: number, rank: number): number {
  const isBelow = (pid: number): boolean => pid === worker || (pid > 1 && isBelow(parentOf(pid)));
  const told = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isTold(pid, rank) && isBelow(pid));
  const first = told.filter((pid) => !told.includes(parentOf(pid)));
  expect(first).toHaveLength(1);
  return first[0]!;
}

function isTold(pid: number, rank: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`RANK=${rank}`);
  } catch {
    return false; // it has ended, or is another's
  }
}

function parentOf(pid: number): number {
  try {
    // Behind the name, which may have spaces and brackets of its own.
    const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return Number(parent);
  } catch {
    return 0;
  }
}
