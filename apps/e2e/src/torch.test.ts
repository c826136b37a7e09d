import type { AlignmentView, EvaluationView, RunView, StepView, Verification } from '@solopo/contracts';
import { NO_TORCH, torchPython } from '@solopo/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System } from './system.ts';

/** One run by each engine, through the real services. */
const python = torchPython();
const ENGINES = ['onnx', 'torch'];

let system: System | undefined;
const runs = new Map<string, RunView>();
beforeAll(async () => {
  if (python === undefined) return;
  const pools = ['datagen', 'reward', 'trainer'].map((app) => ({ name: app, app, engines: ENGINES }));
  system = await System.start({
    SOLOPO_ENGINES: ENGINES.join(','),
    SOLOPO_TORCH_PYTHON: python,
    SOLOPO_DEVICE: 'cpu',
    SOLOPO_POOLS: JSON.stringify(pools),
  });
  await prepareRetrieval(system);
  system.startWorkers('datagen', 'reward', 'trainer');
  for (const engine of ['onnx', 'torch'] as const) {
    const { id } = await system.createRun(retrievalRun({ name: engine, engine }));
    runs.set(engine, await system.finished(id, 240_000));
  }
}, 540_000);
afterAll(() => system?.close());

const get = async <T>(engine: string, what: string): Promise<T> =>
  (await system!.api.get(`/v1/runs/${runs.get(engine)!.id}/${what}`).expect(200)).body as T;

test('a run by PyTorch goes through every stage, and is verified', async (context) => {
  if (system === undefined) return context.skip(NO_TORCH);
  const run = runs.get('torch')!;
  expect([run.state, run.error, run.step]).toEqual(['succeeded', null, 4]);
  const { checks } = await get<Verification>('torch', 'verify');
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  const [engine] = await system.ledger.steps.engines(run.id, run.step);
  expect(engine).toMatch(/^torch .*; cpu float32/);
  expect(run.stages.find(({ kind }) => kind === 'train')?.result).toMatchObject({ rescored: 0 });
});

test('it learns what onnxruntime learns: from the same pairs, with the same figures within 1e-3', async (context) => {
  if (system === undefined) return context.skip(NO_TORCH);
  const [onnx, torch] = [runs.get('onnx')!, runs.get('torch')!];
  expect(torch.pairs).toBe(onnx.pairs);
  const [a, b] = [await get<StepView[]>('onnx', 'steps'), await get<StepView[]>('torch', 'steps')];
  for (const [i, { metrics }] of a.entries())
    for (const [name, value] of Object.entries(metrics)) {
      // The policy is the reference yet: which answer is ahead is rounding.
      if (i === 0 && name === 'rewards/accuracies') continue;
      expect(Math.abs((b[i]?.metrics[name] ?? NaN) - value), `${name} of step ${i + 1}`).toBeLessThan(
        1e-3 * Math.max(1, Math.abs(value)),
      );
    }
  const [before, after] = [
    await get<AlignmentView[]>('onnx', 'alignments'),
    await get<AlignmentView[]>('torch', 'alignments'),
  ];
  expect(after.map(({ step }) => step)).toEqual(before.map(({ step }) => step));
  const correct = async (engine: string) =>
    (await get<EvaluationView[]>(engine, 'evaluations')).map((row) => [row.step, row.documents, row.n, row.correct]);
  expect(await correct('torch')).toEqual(await correct('onnx'));
});

test('a pair of it is inspected by a worker that has PyTorch', async (context) => {
  if (system === undefined) return context.skip(NO_TORCH);
  const [pair] = await get<{ digest: string }[]>('torch', 'pairs');
  const inspection = await get<{ engine: string; short: { chosen: { logps: number[] } } }>(
    'torch',
    `pairs/${pair!.digest}/inspection?step=4`,
  );
  expect(inspection.engine).toMatch(/^torch /);
  expect(inspection.short.chosen.logps.every((logp) => logp < 0)).toBe(true);
});
