import { useSoftwareVulkan } from '@solopo/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareRetrieval, retrievalRun } from './retrieval-run.ts';
import { System } from './system.ts';

/** The whole pipeline with its engines on a GPU: on a machine without one, a driver in software. */
const PATIENCE_MS = 900_000;
const { missing } = useSoftwareVulkan();

let system: System | undefined;
beforeAll(async () => {
  if (missing) return;
  system = await System.start();
  await prepareRetrieval(system, 24);
}, PATIENCE_MS);
afterAll(() => system?.close());

test(
  'a run with an adapter finishes on webgpu, and its services say that they compute there',
  async (context) => {
    if (!system) return context.skip(missing ?? 'the system did not start');
    const { VK_DRIVER_FILES = '', LD_LIBRARY_PATH = '' } = process.env;
    const settings = { SOLOPO_DEVICE: 'webgpu', SOLOPO_LOG_LEVEL: 'info', VK_DRIVER_FILES, LD_LIBRARY_PATH };
    for (const worker of ['datagen', 'reward', 'trainer'] as const) system.startWorker(worker, settings);
    const { id } = await system.createRun(
      retrievalRun({
        adapter: { kind: 'lora', rank: 4, alpha: 8 },
        sampling: { samplesPerContext: 4, temperature: 0.85, maxNewTokens: 3 },
        pairing: { judge: 'exact', heldOutPairs: 2 },
        training: { pairsPerStep: 2, learningRate: 5e-4, stepsPerSlice: 2, maxSteps: 2 },
        evaluation: null,
      }),
    );
    const run = await system.finished(id, PATIENCE_MS);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    const steps = (await system.api.get(`/v1/runs/${id}/steps`).expect(200)).body as {
      readonly metrics: Readonly<Record<string, number>>;
    }[];
    expect(steps).toHaveLength(2);
    for (const { metrics } of steps) expect(Number.isFinite(metrics.loss)).toBe(true);
    const { engines } = (await system.api.get('/v1/system').expect(200)).body as {
      readonly engines: { readonly fingerprint: string }[];
    };
    for (const { fingerprint } of engines) expect(fingerprint).toMatch(/; webgpu float32.*; software driver \(\w+\)$/);
    expect(engines).toHaveLength(1);
    expect(system.output.join('')).toMatch(/computing on webgpu: asked for/);
  },
  PATIENCE_MS,
);
