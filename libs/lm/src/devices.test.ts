import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Graph, type GraphForm } from '@solopo/onnx-graph';
import { useSoftwareVulkan } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import {
  chooseDevice,
  DeviceError,
  DeviceMemoryError,
  fallbacks,
  freeGradients,
  LanguageModel,
  packTrees,
  parseModelConfig,
  PreferenceTrainer,
  readGradients,
  readPlacements,
  Runtime,
  sample,
  type Device,
  type FrozenWeights,
  type PreferenceOptions,
  type Tensor,
} from './index.ts';
import { float32, hostFloats, int64 } from './tensor.ts';
import {
  difference,
  idsBelow50,
  randomAdapter,
  randomWeights,
  takeTenSteps,
  TEN_STEPS,
  TWO_PAIRS,
} from './testing/compared-runs.fixture.ts';

/*
 * The engine on each device, held to the processor's numbers. Without a GPU, WebGPU runs on a Vulkan driver in software;
 * sizes are small because it is slow, and multiples of 4 because it compiles a kernel for each kind of rest.
 */

const LIMIT = 1e-3;
/** Where products are of half-precision numbers. */
const HALF_LIMIT = 1e-2;
const vulkan = useSoftwareVulkan();

const configOf = (layers: number) =>
  parseModelConfig({
    model_type: 'qwen2',
    vocab_size: 52,
    hidden_size: 32,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 48,
    rope_theta: 100,
    tie_word_embeddings: true,
    max_position_embeddings: 512,
  });
const lora = {
  rank: 4,
  alpha: 8,
  targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  rsLora: false,
} as const;

/** Queries go in several chunks. One layer has every graph of a model; of two, each has the other's gradients. */
function modelOn(
  runtime: Runtime,
  {
    adapter,
    frozenWeights = 'float32',
    layers = 2,
  }: { adapter: boolean; frozenWeights?: FrozenWeights; layers?: number },
): LanguageModel {
  const config = configOf(layers);
  return new LanguageModel(config, randomWeights(config), runtime, adapter ? randomAdapter(config, lora) : null, {
    queryChunk: 16,
    frozenWeights,
  });
}

const trees = [
  { prompt: idsBelow50(20, 1), branches: [idsBelow50(6, 2), idsBelow50(4, 3)] },
  { prompt: idsBelow50(11, 5), branches: [idsBelow50(3, 6), idsBelow50(5, 7)] },
];
const batch = packTrees(trees);
const dLogps = Float32Array.from(batch.targets, (_target, i) => Math.cos(i));

async function forwardAndBackward(model: LanguageModel, given = batch) {
  const { runtime } = model;
  const activations = await model.forward(given);
  const statistics = await model.targetStats(activations);
  const sums = new Map();
  // Twice: the second pass adds to the first one's sums.
  await model.backward(activations, dLogps, sums);
  activations.free();
  const again = await model.forward(given);
  await model.backward(again, dLogps, sums);
  again.free();
  const gradients = await readGradients(runtime, sums);
  freeGradients(runtime, sums);
  return { statistics, gradients };
}

const prompts = [idsBelow50(12, 1), idsBelow50(8, 2)].map((tokens, i) => ({ tokens, key: [i, 77] as const }));
const sampling = { samplesPerPrompt: 2, topP: 1, maxNewTokens: 4, eosIds: [], seed: 5 };

/** A driver in software compiles each kernel for seconds, and a busy machine takes as many times longer. */
const PATIENCE_MS = 600_000;

describe.each<{ device: Device; form: GraphForm }>([
  { device: 'cpu', form: 'fused' },
  // As a driver in software runs it, and as a GPU does.
  { device: 'webgpu', form: 'loops' },
  { device: 'webgpu', form: 'plain' },
])('on $device, graphs written as $form', { timeout: PATIENCE_MS }, ({ device, form }) => {
  const runtime = new Runtime({ threads: 1, device, form });
  const cpu = new Runtime({ threads: 1 });
  let missing: string | null = null;
  beforeAll(async () => {
    missing = device === 'webgpu' ? vulkan.missing : null;
    if (!missing) expect((await chooseDevice(device)).device).toBe(device);
  }, PATIENCE_MS);
  afterAll(async () => {
    await runtime.close();
    await cpu.close();
  });
  const needsDevice = (context: TestContext): void => {
    if (missing) context.skip(missing);
  };

  for (const [what, adapter, given] of [
    ['all parameters', false, batch],
    ['an adapter', true, batch],
    // The keys and values of 4 columns are constants, and of 9 more the longer row's.
    ["all parameters, of a prompt's tail", false, packTrees(trees, { tail: 7 })],
  ] as const) {
    test(`log-probabilities, statistics and every gradient of ${what} are the processor's`, async (context) => {
      needsDevice(context);
      const model = modelOn(runtime, { adapter });
      const actual = await forwardAndBackward(model, given);
      const expected = await forwardAndBackward(modelOn(cpu, { adapter }), given);
      for (const name of ['logps', 'entropies', 'meanLogits'] as const)
        expect(difference(actual.statistics[name], expected.statistics[name]), name).toBeLessThan(LIMIT);
      expect([...actual.statistics.hits]).toEqual([...expected.statistics.hits]);
      expect([...actual.gradients.keys()].sort()).toEqual([...expected.gradients.keys()].sort());
      for (const [name, gradient] of expected.gradients) {
        expect(Math.max(...gradient.map(Math.abs)), name).toBeGreaterThan(1e-4);
        expect(difference(actual.gradients.get(name) as Float32Array, gradient), name).toBeLessThan(LIMIT);
      }
      await model.free();
      expect(runtime.allocated).toEqual({ tensors: 0, bytes: 0 });
    });
  }

  test('weights kept as float16 give the same as on the processor, or are refused with what to do', async (context) => {
    needsDevice(context);
    const model = modelOn(runtime, { adapter: true, frozenWeights: 'float16' });
    const actual = await forwardAndBackward(model).catch((error: Error) => error);
    if (actual instanceof Error) {
      // As SwiftShader.
      expect(device).toBe('webgpu');
      expect(actual).toBeInstanceOf(DeviceError);
      expect(actual.message).toMatch(/no half-precision numbers.*leave frozenWeights at float32/);
    } else {
      const expected = await forwardAndBackward(modelOn(cpu, { adapter: true, frozenWeights: 'float16' }));
      const limit = runtime.halfProducts ? HALF_LIMIT : LIMIT;
      expect(difference(actual.statistics.logps, expected.statistics.logps)).toBeLessThan(limit);
      for (const [name, gradient] of expected.gradients)
        expect(difference(actual.gradients.get(name) as Float32Array, gradient), name).toBeLessThan(limit);
    }
    await model.free();
    expect(runtime.allocated).toEqual({ tensors: 0, bytes: 0 });
  });

  test('log sum exp of large numbers is finite', async (context) => {
    needsDevice(context);
    const graph = (): Graph => {
      const g = new Graph('log-sum-exp');
      g.output('y', g.reduceLogSumExp(g.input('x', 'float32', ['rows', 8]), [-1]));
      return g;
    };
    const x = float32(
      Float32Array.from({ length: 16 }, (_, i) => (i < 8 ? 200 + i : -200 - i)),
      [2, 8],
    );
    const { y } = await runtime.run('log-sum-exp', graph, { x }, ['y']);
    // log sum exp of 0 to -7 is 0.45834
    expect([...hostFloats(y as Tensor)]).toEqual([expect.closeTo(207.45834, 3), expect.closeTo(-207.54166, 3)]);
  });

  test("a step of distillation has the processor's loss and gradient, and leaves nothing behind", async (context) => {
    needsDevice(context);
    const step = async (model: LanguageModel) => {
      const options: PreferenceOptions = { ...TEN_STEPS, arm: 'distil', objective: { kind: 'distil' } };
      const trainer = new PreferenceTrainer(model, options, undefined, model.withoutAdapter());
      const { metrics } = await trainer.takeStep(TWO_PAIRS);
      await trainer.free();
      return metrics;
    };
    const model = modelOn(runtime, { adapter: true });
    const [actual, expected] = [await step(model), await step(modelOn(cpu, { adapter: true }))];
    expect(expected['kl']).toBeGreaterThan(1e-3);
    expect(actual['kl']! / expected['kl']!).toBeCloseTo(1, 3);
    expect(actual['grad_norm']! / expected['grad_norm']!).toBeCloseTo(1, 3);
    await model.free();
    expect(runtime.allocated).toEqual({ tensors: 0, bytes: 0 });
  });

  test("ten steps end at the processor's weights and moments, and leave as much on the device as they found", async (context) => {
    needsDevice(context);
    const model = modelOn(runtime, { adapter: true, layers: 1 });
    const allocated: Runtime['allocated'][] = [];
    const actual = await takeTenSteps(model, { taken: () => allocated.push(runtime.allocated) });
    const expected = await takeTenSteps(modelOn(cpu, { adapter: true, layers: 1 }));
    actual.metrics.forEach(({ loss, grad_norm }, step) => {
      expect(loss, `step ${step + 1}`).toBeCloseTo(expected.metrics[step]!.loss!, 3);
      expect(grad_norm! / expected.metrics[step]!.grad_norm!, `step ${step + 1}`).toBeCloseTo(1, 3);
    });
    expect(actual.metrics.at(-1)!.loss).toBeLessThan(actual.metrics[0]!.loss!);
    for (const [name, { data }] of expected.weights)
      expect(difference(actual.weights.get(name)!.data, data), name).toBeLessThan(LIMIT);
    for (const [name, { data }] of expected.moments)
      expect(difference(actual.moments.get(name)!.data, data), name).toBeLessThan(5 * LIMIT);

    // What a step leaves, every step finds.
    for (const after of allocated) expect(after).toEqual(allocated[0]);
    expect(allocated[0]!.tensors > 0).toBe(runtime.keepsOnDevice);
    await model.free();
    expect(runtime.allocated).toEqual({ tensors: 0, bytes: 0 });
  });

  for (const temperature of [0, 1.5])
    test(`samples at temperature ${temperature} are the processor's`, async (context) => {
      needsDevice(context);
      const model = modelOn(runtime, { adapter: true });
      const actual = await sample(model, prompts, { ...sampling, temperature });
      const expected = await sample(modelOn(cpu, { adapter: true }), prompts, { ...sampling, temperature });
      for (const [i, samples] of expected.entries())
        for (const [j, { tokens, logp }] of samples.entries()) {
          expect([...actual[i]![j]!.tokens]).toEqual([...tokens]);
          expect(actual[i]![j]!.logp).toBeCloseTo(logp, 3);
        }
      await model.free();
      expect(runtime.allocated).toEqual({ tensors: 0, bytes: 0 });
    });
});

describe('a device that is full', { timeout: PATIENCE_MS }, () => {
  test('is a retry with smaller batches, then an error that says what to do; what was taken is given back', async (context) => {
    if (vulkan.missing) context.skip(vulkan.missing);
    const roomy = new Runtime({ threads: 1, device: 'webgpu' });
    const model = modelOn(roomy, { adapter: true });
    const { metrics } = await new PreferenceTrainer(model, { ...TEN_STEPS, microBatchTokens: 1000 }).takeStep(
      TWO_PAIRS,
    );
    await roomy.close();

    const tight = new Runtime({ threads: 1, device: 'webgpu', maxDeviceMemoryBytes: 400_000 });
    const small = new PreferenceTrainer(modelOn(tight, { adapter: true }), { ...TEN_STEPS, microBatchTokens: 1000 });
    expect((await small.takeStep(TWO_PAIRS)).metrics.loss).toBeCloseTo(metrics.loss!, 3);
    await tight.close();

    const full = new Runtime({ threads: 1, device: 'webgpu', maxDeviceMemoryBytes: 150_000 });
    const hopeless = modelOn(full, { adapter: true });
    await expect(new PreferenceTrainer(hopeless, TEN_STEPS).takeStep(TWO_PAIRS)).rejects.toThrow(DeviceMemoryError);
    await hopeless.free();
    expect(full.allocated).toEqual({ tensors: 0, bytes: 0 });
    await full.close();
  });
});

describe('a buffer that the driver has no memory for', { timeout: PATIENCE_MS }, () => {
  test('is a device that is full, and the device works on', async (context) => {
    if (vulkan.missing) context.skip(vulkan.missing);
    const runtime = new Runtime({ threads: 1, device: 'webgpu' });
    const expanded = (numbers: number) =>
      runtime.run('expand', expand, { x: float32(Float32Array.of(3), [1]), sizes: int64([numbers], [1]) });
    await expect(expanded(2 ** 31)).rejects.toThrow(DeviceMemoryError);
    const { y } = await expanded(4);
    expect([...(await runtime.read(y as Tensor))]).toEqual([3, 3, 3, 3]);
    await runtime.close();
  });
});

function expand(): Graph {
  const g = new Graph('expand');
  g.output('y', g.expandTo(g.input('x', 'float32', [1]), ['N'], g.input('sizes', 'int64', [1])));
  return g;
}

describe('what the device leaves to the processor', { timeout: PATIENCE_MS }, () => {
  test("is whole numbers only: shapes and tokens' places", async (context) => {
    if (vulkan.missing) context.skip(vulkan.missing);
    const folder = mkdtempSync(join(tmpdir(), 'solopo-placement-'));
    const runtime = new Runtime({ threads: 1, device: 'webgpu', form: 'plain', profile: folder });
    const model = modelOn(runtime, { adapter: true, layers: 1 });
    const activations = await model.forward(batch);
    await model.backward(activations, dLogps, new Map());
    await runtime.close();
    const placements = readPlacements(folder);
    rmSync(folder, { recursive: true });
    expect(placements.filter(({ provider }) => provider === 'WebGpuExecutionProvider').length).toBeGreaterThan(50);
    expect(fallbacks(placements).filter(({ wholeNumbers }) => !wholeNumbers)).toEqual([]);
  });
});

describe('the choice of a device', { timeout: PATIENCE_MS }, () => {
  test('auto is the processor where there is no GPU, and says so', async () => {
    const chosen = await chooseDevice('auto');
    expect(['cpu', 'webgpu']).toContain(chosen.device);
    expect(chosen.reason).toMatch(chosen.device === 'cpu' ? /no GPU was found|cannot be used/ : /was found/);
  });

  test('cuda where its provider is not installed is an error with the remedy in it', async (context) => {
    const chosen = await chooseDevice('cuda').catch((error: unknown) => error);
    if (!(chosen instanceof Error)) return context.skip('a CUDA provider is installed');
    expect(chosen).toBeInstanceOf(DeviceError);
    expect(chosen.message).toMatch(/docs\/gpu\.md/);
  });
});
