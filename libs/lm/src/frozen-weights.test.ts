import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Graph } from '@solopo/onnx-graph';
import { Random } from '@solopo/random';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  FROZEN_WEIGHTS,
  formatModelConfig,
  initialise,
  initialiseLora,
  LanguageModel,
  LORA_TARGETS,
  ModelError,
  packTrees,
  packWeight,
  parseModelConfig,
  PreferenceTrainer,
  readGradients,
  readLlama2c,
  Runtime,
  sample,
  scoreTrees,
  sumOf,
  writeSafetensors,
  type FrozenWeights,
  type HostTensors,
  type LanguageModelOptions,
  type ModelConfig,
  type PreferenceOptions,
  type Tree,
} from './index.ts';
import { float16, float32, type Tensor } from './tensor.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const lora = { rank: 8, alpha: 16, targets: LORA_TARGETS, rsLora: false } as const;
const NAME = 'model.layers.0.mlp.up_proj.weight';

describe('float16', () => {
  const packed = (values: readonly number[]): number[] => {
    const tensor = packWeight(NAME, { dims: [1, values.length], data: Float32Array.from(values) }, 'float16');
    return 'bits' in tensor ? [...tensor.bits] : [];
  };

  test.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [0, 0],
    [65_504, 0x7bff],
    [65_519, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -24, 1],
    // Halfway between two numbers: the even one.
    [2 ** -25, 0],
    [3 * 2 ** -25, 2],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    // Up over a power of two, and out of the numbers below 2^-14.
    [2 - 2 ** -12, 0x4000],
    [2 ** -14 - 2 ** -26, 0x0400],
  ])('of %d has the bits %d', (value, bits) => {
    expect(packed([value])).toEqual([bits]);
  });

  test('is as onnxruntime casts it', async () => {
    const random = new Random('float16', 1);
    const values = Array.from({ length: 2000 }, () => (random.float() - 0.5) * 2 ** random.between(-26, 16));
    const { y } = await runtime.run(
      'to float16 and back',
      () => {
        const g = new Graph('to-float16-and-back');
        g.output('y', g.cast(g.cast(g.input('x', 'float32', ['N']), 'float16'), 'float32'));
        return g;
      },
      { x: float32(Float32Array.from(values), [values.length]) },
    );
    const own = await runtime.run(
      'from float16',
      () => {
        const g = new Graph('from-float16');
        g.output('y', g.cast(g.input('x', 'float16', ['N']), 'float32'));
        return g;
      },
      { x: float16(Uint16Array.from(packed(values)), [values.length]) },
    );
    expect(await runtime.read(own.y as Tensor)).toEqual(await runtime.read(y as Tensor));
  });

  test('of a number that it cannot hold is an error that names the parameter and the remedy', () => {
    expect(() => packed([1, 70_000])).toThrow(/up_proj\.weight" has the value 70000.*choose frozenWeights int8/);
  });
});

describe('int8', () => {
  test('has a scale an output, and rounds to the nearest multiple of it', () => {
    const random = new Random('int8', 1);
    const [outputs, inputs] = [5, 40];
    const data = Float32Array.from({ length: outputs * inputs }, (_, i) => (random.float() - 0.5) * 10 ** (i % 5));
    data.fill(0, 0, inputs);
    const packed = packWeight(NAME, { dims: [outputs, inputs], data }, 'int8');
    if (!('values' in packed)) throw new TypeError('not packed');
    expect(packed.scales.length).toBe(outputs);
    data.forEach((value, i) => {
      const row = data.subarray(Math.floor(i / inputs) * inputs, (Math.floor(i / inputs) + 1) * inputs);
      const scale = packed.scales[Math.floor(i / inputs)]!;
      expect(scale).toBe(Math.fround(Math.max(...row.map(Math.abs)) / 127));
      expect(Math.abs(packed.values[i]! * scale - value)).toBeLessThanOrEqual(0.5001 * scale);
    });
    expect(Math.max(...packed.values.map(Math.abs))).toBe(127);
  });

  test.each(['model.norm.weight', 'model.embed_tokens.weight', 'model.layers.0.self_attn.q_proj.bias'])(
    'is not for %s',
    (name) => {
      const tensor = { dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
      expect(packWeight(name, tensor, 'int8')).toBe(tensor);
    },
  );
});

/** A pretrained model, and one whose every weight is random. */
interface Subject {
  readonly config: ModelConfig;
  readonly weights: HostTensors;
  readonly trees: readonly Tree[];
}

function random(): Subject {
  const config = parseModelConfig({
    model_type: 'qwen2',
    vocab_size: 512,
    hidden_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 128,
    tie_word_embeddings: true,
  });
  const ids = (length: number, salt: number) =>
    Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 500);
  return {
    config,
    weights: initialise(config, { seed: 1, embeddingStd: 0.7, residualScale: 1 }),
    trees: [1, 2, 3, 4].map((salt) => ({ prompt: ids(30, salt), branches: [ids(50, salt + 9)] })),
  };
}

async function pretrained(): Promise<Subject> {
  const file = new URL('../../../data/models/stories260k/stories260K.bin', import.meta.url);
  const { config, weights } = readLlama2c(readFileSync(fileURLToPath(file)));
  const model = new LanguageModel(config, weights, runtime);
  const options = { samplesPerPrompt: 8, temperature: 1, topP: 1, maxNewTokens: 100, eosIds: [], seed: 0 };
  const stories = (await sample(model, [{ tokens: Int32Array.of(1), key: [0, 0] }], options)).flat();
  const trees = stories.map(({ tokens }) => ({
    prompt: Int32Array.of(1, ...tokens.slice(0, 20)),
    branches: [tokens.slice(20)],
  }));
  return { config, weights, trees };
}

function modelOf({ config, weights }: Subject, options: LanguageModelOptions): LanguageModel {
  const matrices = initialiseLora(config, lora, 1);
  for (const { data } of matrices.values()) data.forEach((x, i) => (data[i] = x + 0.01 * Math.sin(i)));
  return new LanguageModel(config, weights, runtime, { options: lora, weights: matrices }, options);
}

async function numbersOf(subject: Subject, options: LanguageModelOptions) {
  const model = modelOf(subject, options);
  const activations = await model.forward(packTrees(subject.trees));
  const { logps } = await model.targetLogps(activations);
  const gradients = new Map();
  await model.backward(activations, new Float32Array(logps.length).fill(1), gradients);
  return { logps, gradients: await readGradients(runtime, gradients) };
}

type Numbers = Awaited<ReturnType<typeof numbersOf>>;

function differences(own: Numbers, exact: Numbers): { mean: number; greatest: number; gradient: number } {
  const ofLogps = own.logps.map((logp, i) => Math.abs(logp - exact.logps[i]!));
  let [difference, norm] = [0, 0];
  for (const [name, values] of exact.gradients)
    values.forEach((x, i) => {
      difference += (x - own.gradients.get(name)![i]!) ** 2;
      norm += x * x;
    });
  return {
    mean: sumOf(ofLogps) / ofLogps.length,
    greatest: Math.max(...ofLogps),
    gradient: Math.sqrt(difference / norm),
  };
}

describe.each([
  ['stories260K', pretrained],
  ['a random model', () => Promise.resolve(random())],
])('of %s', (_, make) => {
  let subject: Subject;
  let exact: Numbers;
  beforeAll(async () => {
    subject = await make();
    exact = await numbersOf(subject, {});
  });

  // About twice what was measured: docs/engine.md.
  test.each([
    ['float16', { mean: 0.005, greatest: 0.02, gradient: 0.004 }],
    ['int8', { mean: 0.15, greatest: 0.6, gradient: 0.14 }],
  ] as const)('%s keeps log-probabilities and the gradients of the adapter near', async (frozenWeights, limits) => {
    const found = differences(await numbersOf(subject, { frozenWeights }), exact);
    for (const name of ['mean', 'greatest', 'gradient'] as const) {
      expect(found[name], name).toBeLessThan(limits[name]);
      // Something was rounded at all.
      expect(found[name], name).toBeGreaterThan(limits[name] / 100);
    }
  });

  test('recomputation changes no bit of what int8 gives', async () => {
    const kept = await numbersOf(subject, { frozenWeights: 'int8', recompute: 'none' });
    const again = await numbersOf(subject, { frozenWeights: 'int8', recompute: 'all' });
    expect(again.logps).toEqual(kept.logps);
    expect(again.gradients).toEqual(kept.gradients);
  });

  test.each(['float16', 'int8'] as const)(
    '%s gives samples their log-probabilities as scored',
    async (frozenWeights) => {
      const model = modelOf(subject, { frozenWeights });
      const prompt = subject.trees[0]!.prompt;
      const options = { samplesPerPrompt: 2, temperature: 1, topP: 1, maxNewTokens: 8, eosIds: [], seed: 3 };
      const [samples] = await sample(model, [{ tokens: prompt, key: [1, 2] }], options);
      const tree = { prompt, branches: samples!.map(({ tokens }) => tokens) };
      const [scores] = await scoreTrees(model, [tree], { batchTokens: 1 });
      samples!.forEach(({ logp }, i) => expect(logp).toBeCloseTo(sumOf(scores![i]!), 3));
    },
  );
});

describe('a model folder', () => {
  test.each(['float16', 'int8'] as const)('is packed as it is read: %s', async (frozenWeights) => {
    const { config, weights, trees } = random();
    const folder = mkdtempSync(join(tmpdir(), 'solopo-frozen-'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify(formatModelConfig(config)));
    writeSafetensors(join(folder, 'model.safetensors'), weights);
    const read = LanguageModel.fromFolder(folder, runtime, { frozenWeights });
    rmSync(folder, { recursive: true });
    expect(read.weights.has(NAME)).toBe(false);
    const own = new LanguageModel(config, weights, runtime, null, { frozenWeights });
    expect(await scoreTrees(read, trees, { batchTokens: 1 })).toEqual(await scoreTrees(own, trees, { batchTokens: 1 }));
  });
});

const training: PreferenceOptions = {
  arm: 'short',
  objective: { kind: 'simpo', beta: 2, gamma: 0.5 },
  alignment: {
    alpha: 0,
    reference: 'shared',
    distance: 'absolute',
    sides: 'two',
    detach: 'short',
    deadZone: 0,
    fraction: 1,
  },
  optimizer: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0 },
  schedule: { learningRate: 1e-2, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
  clipNorm: 1,
  microBatchTokens: 1000,
  steps: 5,
};

test('training an adapter over int8 weights lowers the loss', async () => {
  const subject = random();
  const [short, chosen, rejected] = [subject.trees[0]!.prompt, Int32Array.of(3, 5, 8), Int32Array.of(2, 9)];
  const trainer = new PreferenceTrainer(modelOf(subject, { frozenWeights: 'int8' }), training);
  const losses: number[] = [];
  for (let step = 0; step < 5; step++)
    losses.push((await trainer.takeStep([{ short, chosen, rejected, reference: {} }])).metrics['loss']!);
  expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
});

test("training a model's own parameters in a lower format is refused with what to do", () => {
  const { config, weights } = random();
  const model = new LanguageModel(config, weights, runtime, null, { frozenWeights: 'float16' });
  expect(() => new PreferenceTrainer(model, training)).toThrow(ModelError);
  expect(() => new PreferenceTrainer(model, training)).toThrow(/train an adapter .*or leave frozenWeights at float32/);
});

test('int8 on webgpu is refused before anything is run', () => {
  const { config, weights } = random();
  const device = new Runtime({ threads: 1, device: 'webgpu' });
  expect(() => new LanguageModel(config, weights, device, null, { frozenWeights: 'int8' })).toThrow(
    /int8 is not supported on device webgpu.*choose float16, or device cpu/,
  );
});

test('each format has a fingerprint of its own, and float32 the one it had', () => {
  const fingerprints = FROZEN_WEIGHTS.map((format: FrozenWeights) => runtime.fingerprintOf(format));
  expect(new Set(fingerprints).size).toBe(3);
  expect(fingerprints[0]).toBe(runtime.fingerprint);
  expect(fingerprints[2]).toContain('cpu float32, frozen weights int8; threads 1');
});
