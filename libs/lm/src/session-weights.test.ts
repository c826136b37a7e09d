import { answerInBatch } from './fixed-batch.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Graph } from '@solopo/onnx-graph';
import { afterEach, describe, expect, test } from 'vitest';
import {
  consume,
  DeviceMemoryError,
  float32,
  inspectResponse,
  LanguageModel,
  LORA_TARGETS,
  packTrees,
  parseModelConfig,
  readGradients,
  readPlacements,
  Runtime,
  sample,
  scoreTrees,
  type Gradients,
  type LanguageModelOptions,
  type ModelConfig,
  type RuntimeOptions,
} from './index.ts';
import { idsBelow50, randomAdapter, randomWeights, takeTenSteps } from './testing/compared-runs.fixture.ts';

/*
 * Weights in sessions, as a device has them that keeps no tensors between runs. Here on the processor, which keeps the numbers the same to
 * the last bit, and tells what would cross a bus: all that a run is fed and gives.
 */

const sizes = {
  vocab_size: 52,
  hidden_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  rope_theta: 100,
  max_position_embeddings: 512,
};
const CONFIGS = {
  qwen2: parseModelConfig({ ...sizes, model_type: 'qwen2', tie_word_embeddings: true }),
  // Two kinds of layers, one of them with a sliding window; norms after, and of heads; an output table of its own.
  gemma3: parseModelConfig({
    ...sizes,
    model_type: 'gemma3_text',
    head_dim: 8,
    sliding_window: 9,
    layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
    tie_word_embeddings: false,
  }),
};
const lora = { rank: 4, alpha: 8, targets: LORA_TARGETS, rsLora: false } as const;

const adapterOf = (config: ModelConfig, seed = 1) => randomAdapter(config, lora, seed);

/** Queries go in several chunks. */
function modelOn(
  runtime: Runtime,
  config: ModelConfig,
  { adapter = true, ...options }: LanguageModelOptions & { readonly adapter?: boolean } = {},
): LanguageModel {
  return new LanguageModel(config, randomWeights(config), runtime, adapter ? adapterOf(config) : null, {
    queryChunk: 9,
    ...options,
  });
}

let open: Runtime[] = [];
afterEach(async () => {
  for (const runtime of open) await runtime.close();
  open = [];
});

function runtimeWith(options: Partial<RuntimeOptions> = {}): Runtime {
  const runtime = new Runtime({ threads: 1, ...options });
  open.push(runtime);
  return runtime;
}

const trees = [
  { prompt: idsBelow50(20, 1), branches: [idsBelow50(6, 2), idsBelow50(4, 3)] },
  { prompt: idsBelow50(11, 5), branches: [idsBelow50(3, 6), idsBelow50(5, 7)] },
  // No prompt: the last layer makes its output from the first token on.
  { prompt: idsBelow50(1, 8), branches: [idsBelow50(12, 9)] },
];

async function gradientsOf(model: LanguageModel): Promise<Map<string, Float32Array>> {
  const gradients: Gradients = new Map();
  // Twice: the second pass adds to the first one's sums.
  for (const group of [trees.slice(0, 2), trees.slice(2)]) {
    const batch = packTrees(group, model.packing);
    await consume(await model.forward(batch), async (activations) => {
      const { logps } = await model.targetStats(activations);
      await model.backward(
        activations,
        logps.map((_, i) => Math.cos(i)),
        gradients,
      );
    });
  }
  return readGradients(model.runtime, gradients);
}

const prompts = [idsBelow50(12, 1), idsBelow50(8, 2)].map((tokens, i) => ({ tokens, key: [i, 77] as const }));
const sampling = { samplesPerPrompt: 2, topP: 1, maxNewTokens: 5, eosIds: [], seed: 5 };

/** The same model with its weights in sessions and with fed ones. */
function both(
  config: ModelConfig,
  modelOptions: Parameters<typeof modelOn>[2] = {},
  runtimeOptions: Partial<RuntimeOptions> = {},
): readonly [own: LanguageModel, fed: LanguageModel] {
  return [
    modelOn(runtimeWith({ ...runtimeOptions, weightsInSessions: true }), config, modelOptions),
    modelOn(runtimeWith(runtimeOptions), config, modelOptions),
  ];
}

const scores = (model: LanguageModel) => scoreTrees(model, trees, { batchTokens: 60 });

async function demandEqualGradients([own, fed]: readonly [LanguageModel, LanguageModel]): Promise<void> {
  const gradients = await gradientsOf(own);
  expect(gradients.size).toBe(3 * 7 * 2);
  for (const values of gradients.values()) expect(values.some((value) => value !== 0)).toBe(true);
  expect(gradients).toEqual(await gradientsOf(fed));
}

describe('on the processor weights in sessions change no bit of', () => {
  test.each([
    ['qwen2', 'float32', true],
    ['qwen2', 'float32', false],
    ['qwen2', 'float16', true],
    ['gemma3', 'float32', false],
    ['gemma3', 'int8', true],
  ] as const)("%s, weights %s, adapter %s: trees' scores", async (name, frozenWeights, adapter) => {
    const [own, fed] = both(CONFIGS[name], { frozenWeights, adapter, frozen: true });
    expect(await scores(own)).toEqual(await scores(fed));
    expect(own.runtime.allocated.bytes).toBeGreaterThan(10_000);
    expect(fed.runtime.allocated.bytes).toBe(0);
  });

  test.each(['fused', 'plain'] as const)('sessions of one layer each, graphs written as %s', async (form) => {
    const [own, fed] = both(CONFIGS.gemma3, {}, { maxSessionWeightBytes: 1, form });
    expect(await scores(own)).toEqual(await scores(fed));
  });

  test.each([
    ['qwen2', 'float32'],
    ['qwen2', 'float16'],
    ['gemma3', 'int8'],
  ] as const)("%s, weights %s: the gradients of the adapter's matrices", async (name, frozenWeights) => {
    await demandEqualGradients(both(CONFIGS[name], { frozenWeights }));
  });

  test('products of half-precision numbers, as a GPU makes them', async () => {
    const [own, fed] = both(CONFIGS.qwen2, { frozenWeights: 'float16' }, { halfProducts: true });
    expect(await scores(own)).toEqual(await scores(fed));
    await demandEqualGradients([own, fed]);
    expect(own.runtime.fingerprintOf('float16')).toContain('float16 products, weights in sessions');
  });

  test('gradients by graphs written as plain products, as CUDA is given them', async () => {
    await demandEqualGradients(both(CONFIGS.qwen2, {}, { form: 'plain' }));
  });

  test('ten steps: losses, weights and moments', async () => {
    const [own, fed] = both(CONFIGS.qwen2);
    const steps = await takeTenSteps(own);
    expect(steps.metrics.at(-1)!.loss).toBeLessThan(steps.metrics[0]!.loss!);
    expect(steps).toEqual(await takeTenSteps(fed));
  });

  test.each([0, 1.5])('samples at temperature %d', async (temperature) => {
    const [own, fed] = both(CONFIGS.qwen2);
    const samples = await sample(own, prompts, { ...sampling, temperature });
    expect(samples.flat().every(({ tokens }) => tokens.length === 5)).toBe(true);
    // Where weights live in sessions answers go in batches.
    expect(samples).toEqual(await answerInBatch(fed, prompts, { ...sampling, temperature }));
  });

  test('where a response looks', async () => {
    const [own, fed] = both(CONFIGS.gemma3);
    const row = { prompt: idsBelow50(20, 1), response: idsBelow50(6, 2), evidence: [{ start: 3, end: 9 }] };
    expect(await inspectResponse(own, row)).toEqual(await inspectResponse(fed, row));
  });

  test('a product whose weight would be packed', async () => {
    const [rows, size] = [2, 256];
    const x = float32(
      Float32Array.from({ length: rows * size }, (_, i) => Math.sin(i)),
      [rows, size],
    );
    const w = float32(
      Float32Array.from({ length: size * size }, (_, i) => Math.cos(1.3 * i)),
      [size, size],
    );
    const graph = (): Graph => {
      const g = new Graph('product');
      const weight = g.input('w', 'float32', [size, size]);
      g.output('y', g.matMul(g.input('x', 'float32', ['M', size]), weight, { transB: true }));
      return g;
    };
    const product = async (runtime: Runtime): Promise<Float32Array> => {
      const { y } = await runtime.run('product', graph, { x }, [], { owner: {}, part: 'w', tensors: { w } });
      return runtime.read(y!);
    };
    const own = await product(runtimeWith({ weightsInSessions: true }));
    expect(own).toEqual(await product(runtimeWith()));
  });
});

test('weights in a lower format stay so in a session', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'solopo-sessions-'));
  const runtime = runtimeWith({ weightsInSessions: true, profile: folder });
  await scores(modelOn(runtime, CONFIGS.qwen2, { frozenWeights: 'float16' }));
  await runtime.close();
  const casts = readPlacements(folder).filter(
    ({ graph, operator }) => graph === 'layers-forward' && operator === 'Cast',
  );
  rmSync(folder, { recursive: true });
  // Seven weights a layer, in each of two batches.
  expect(casts.reduce((sum, { runs }) => sum + runs, 0)).toBe(2 * 3 * 7);
});

const bytesOfWeights = (config: ModelConfig, which: (name: string) => boolean = () => true): number =>
  [...randomWeights(config)].reduce((sum, [name, { data }]) => sum + (which(name) ? data.byteLength : 0), 0);

describe('what crosses a bus', () => {
  const config = CONFIGS.qwen2;
  const matrices = [...adapterOf(config).weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const batch = packTrees(trees.slice(0, 2));
  const hidden = 4 * batch.rows * batch.length * config.hiddenSize;
  const ofLayers = bytesOfWeights(config, (name) => name.includes('layers'));

  /** Bytes fed to sessions and given by them, once the sessions are made. */
  async function crossing(
    runtimeOptions: Partial<RuntimeOptions>,
    work: (model: LanguageModel) => Promise<unknown>,
  ): Promise<number> {
    let bytes = 0;
    const onRun: RuntimeOptions['onRun'] = ({ fedBytes, givenBytes }) => void (bytes += fedBytes + givenBytes);
    const model = modelOn(runtimeWith({ ...runtimeOptions, onRun }), config, { recompute: 'all' });
    await work(model);
    bytes = 0;
    await work(model);
    return bytes;
  }

  /** Without sessions, with a session a layer, with one session for all. */
  const inTurn = async (work: (model: LanguageModel) => Promise<unknown>) => [
    await crossing({}, work),
    await crossing({ weightsInSessions: true, maxSessionWeightBytes: 1 }, work),
    await crossing({ weightsInSessions: true }, work),
  ];

  test('with a scored batch is no weight, and hidden states once a session', async () => {
    const [fed, layerwise, together] = (await inTurn(async (model) =>
      consume(await model.infer(batch), (activations) => model.targetLogps(activations)),
    )) as [number, number, number];
    expect(fed - layerwise).toBeGreaterThan(bytesOfWeights(config));
    // Between three sessions they go out and in twice, with what says which tokens see which.
    expect(layerwise - together).toBeGreaterThan(4 * hidden);
    expect(layerwise - together).toBeLessThan(7 * hidden);
    // Out of the embedding, into and out of the layers, into the head; places, angles and targets.
    expect(together - matrices).toBeLessThan(5 * hidden);
    expect(fed / together).toBeGreaterThan(5);
  });

  test("with a trained batch is no weight, and each layer's hidden states and gradients", async () => {
    const [fed, , together] = (await inTurn(async (model) =>
      consume(await model.forward(batch), async (activations) => {
        const { logps } = await model.targetLogps(activations);
        await model.backward(activations, logps.fill(1), new Map());
      }),
    )) as [number, number, number];
    // The weights are read forward, again, and backward.
    expect(fed - together).toBeGreaterThan(3 * ofLayers);
    // Matrices in twice, their gradients out. Of hidden states: each layer's input out, back in, and the gradients in and out.
    expect(together - 3 * matrices).toBeLessThan((5 + 3 * 5) * hidden);
    expect(fed / together).toBeGreaterThan(5);
  });
});

describe('sessions that hold weights', () => {
  const config = CONFIGS.qwen2;
  const weights = bytesOfWeights(config);
  const table = bytesOfWeights(config, (name) => name.includes('embed'));

  test('hold each weight once to score, and are given back with the model', async () => {
    const runtime = runtimeWith({ weightsInSessions: true });
    const model = modelOn(runtime, config);
    await scores(model);
    // The table is that of the embedding and that of the head.
    expect(runtime.allocated).toEqual({ tensors: 0, bytes: weights + table });
    await model.free();
    expect(runtime.allocated).toEqual({ tensors: 0, bytes: 0 });
    const other = modelOn(runtime, config);
    other.weights.get('model.norm.weight')!.data.fill(0.5);
    const fed = modelOn(runtimeWith(), config);
    fed.weights.get('model.norm.weight')!.data.fill(0.5);
    expect(await scores(other)).toEqual(await scores(fed));
  });

  test.each([
    ['train: forward and backward', gradientsOf],
    ['sample: prompts and decoding', (model: LanguageModel) => sample(model, prompts, { ...sampling, temperature: 1 })],
  ] as const)("hold the layers' weights twice to %s", async (_, work) => {
    const runtime = runtimeWith({ weightsInSessions: true });
    await work(modelOn(runtime, config));
    const ofLayers = bytesOfWeights(config, (name) => name.includes('layers'));
    expect(runtime.allocated.bytes).toBe(weights + table + ofLayers);
  });

  test('are shared by adapters of one shape, whose matrices are fed', async () => {
    const runtime = runtimeWith({ weightsInSessions: true });
    const base = modelOn(runtime, config, { adapter: false });
    const fed = modelOn(runtimeWith(), config, { adapter: false });
    const held: number[] = [];
    for (const seed of [1, 2]) {
      const adapted = base.withAdapter(adapterOf(config, seed));
      expect(await scores(adapted)).toEqual(await scores(fed.withAdapter(adapterOf(config, seed))));
      await adapted.free({ weights: false });
      held.push(runtime.allocated.bytes);
    }
    expect(held).toEqual([weights + table, weights + table]);
    await base.free();
    expect(runtime.allocated.bytes).toBe(0);
  });

  test('hold nothing of what is trained', async () => {
    const runtime = runtimeWith({ weightsInSessions: true });
    const own = modelOn(runtime, config, { adapter: false });
    const steps = await takeTenSteps(own);
    expect(steps).toEqual(await takeTenSteps(modelOn(runtimeWith(), config, { adapter: false })));
    expect(runtime.allocated.bytes).toBe(0);
    const frozen = modelOn(runtime, config, { adapter: false, frozen: true });
    expect(() => frozen.trained).toThrow(/made as frozen/);
  });

  test('are refused where they do not fit the device', async () => {
    const runtime = runtimeWith({ weightsInSessions: true, maxDeviceMemoryBytes: weights });
    await expect(scores(modelOn(runtime, config))).rejects.toThrow(DeviceMemoryError);
  });

  test('are in the fingerprint, and off but on cuda', () => {
    const ordinary = runtimeWith();
    expect(ordinary.fingerprint).not.toContain('sessions');
    expect(runtimeWith({ weightsInSessions: true }).fingerprint).toContain('cpu float32, weights in sessions;');
    expect(new Runtime({ threads: 1, device: 'cuda' }).weightsInSessions).toBe(true);
    expect(new Runtime({ threads: 1, device: 'webgpu', weightsInSessions: true }).weightsInSessions).toBe(false);
  });
});
