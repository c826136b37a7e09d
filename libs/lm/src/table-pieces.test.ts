import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GraphForm } from '@solopo/onnx-graph';
import { useSoftwareVulkan } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import {
  BufferSizeError,
  chooseDevice,
  fallbacks,
  freeGradients,
  LanguageModel,
  ModelError,
  modelParameters,
  packTrees,
  parseModelConfig,
  PreferenceTrainer,
  readGradients,
  readPlacements,
  Runtime,
  sample,
  type Device,
  type Gradients,
  type HostTensors,
  type PreferenceOptions,
  type TrainingPair,
} from './index.ts';
import { lookupFeeds, pieceNames, placesInPieces, slicePieces, splitRows, wholeName } from './table-pieces.ts';
import { float32, hostFloats } from './tensor.ts';
import { difference, randomAdapter, randomWeights, TEN_STEPS } from './testing/compared-runs.fixture.ts';

const VOCABULARY = 100;
const WIDTH = 16;
/** Less than 40 rows of the table, and every other parameter. */
const MAX_BUFFER_BYTES = 4 * WIDTH * 40;
const PIECES = [39, 39, 22];

describe('the arithmetic', () => {
  test('pieces are few, equal but for the last, smaller than the limit, and cover the table', () => {
    expect(splitRows([100, 16], Infinity)).toEqual([100]);
    expect(splitRows([100, 16], 6400)).toEqual([100]);
    expect(splitRows([100, 16], 6399)).toEqual([64, 36]);
    expect(splitRows([100, 16], MAX_BUFFER_BYTES)).toEqual(PIECES);
    expect(splitRows([100, 16], MAX_BUFFER_BYTES - 1)).toEqual(PIECES);
    expect(splitRows([100, 16], MAX_BUFFER_BYTES + 1)).toEqual([40, 40, 20]);
    expect(splitRows([3, 16], 65)).toEqual([1, 1, 1]);
    expect(() => splitRows([100, 16], 64)).toThrow(RangeError);
    for (const maxBytes of [1 << 27, 1 << 28, 1 << 30, (1 << 30) - 4]) {
      const pieces = splitRows([152_064, 3584], maxBytes);
      expect(pieces.reduce((sum, rows) => sum + rows, 0)).toBe(152_064);
      expect(4 * 3584 * Math.max(...pieces)).toBeLessThan(maxBytes);
      expect(pieces.length).toBe(Math.ceil((4 * 3584 * 152_064) / maxBytes));
      expect(new Set(pieces.slice(0, -1)).size).toBe(1);
      expect(pieces[0]! % 32).toBe(0);
    }
  });

  test('pieces are named by their table, and a table in one piece is itself', () => {
    expect(pieceNames('lm_head.weight', 1)).toEqual(['lm_head.weight']);
    expect(pieceNames('lm_head.weight', 2)).toEqual(['lm_head.weight#0', 'lm_head.weight#1']);
    expect(pieceNames('table', 11).map(wholeName)).toEqual(new Array(11).fill('table'));
    expect(wholeName('model.layers.10.mlp.up_proj.weight')).toBe('model.layers.10.mlp.up_proj.weight');
  });

  test('pieces are views of the table, so that what is changed in one is changed in the other', () => {
    const table = Float32Array.from({ length: 10 }, (_, i) => i);
    const pieces = slicePieces(table, 2, [2, 2, 1]);
    expect(pieces.map((piece) => [piece.dims, [...hostFloats(piece)]])).toEqual([
      [
        [2, 2],
        [0, 1, 2, 3],
      ],
      [
        [2, 2],
        [4, 5, 6, 7],
      ],
      [
        [1, 2],
        [8, 9],
      ],
    ]);
    hostFloats(pieces[1]!)[0] = -1;
    expect(table[4]).toBe(-1);
  });

  test('each id is inside one piece, at its row, and names a row of every other', () => {
    const pieces = [3, 3, 2];
    const ids = Int32Array.of(0, 2, 3, 5, 6, 7);
    const places = placesInPieces(ids, pieces);
    expect(places.map(({ inside }) => [...inside])).toEqual([
      [1, 1, 0, 0, 0, 0],
      [0, 0, 1, 1, 0, 0],
      [0, 0, 0, 0, 1, 1],
    ]);
    ids.forEach((id, i) => {
      const piece = places.findIndex(({ inside }) => inside[i] === 1);
      expect(places[piece]!.rows[i]! + 3 * piece).toBe(id);
    });
    places.forEach(({ rows }, piece) => rows.forEach((row) => expect(row).toBeLessThan(pieces[piece]!)));
    expect(lookupFeeds(ids, [2, 3], [8])).toEqual({});
    expect(lookupFeeds(ids, [2, 3], pieces)['inside#2']!.dims).toEqual([2, 3, 1]);
  });
});

const shape = {
  model_type: 'qwen2',
  vocab_size: VOCABULARY,
  hidden_size: WIDTH,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 24,
  rope_theta: 100,
  max_position_embeddings: 256,
};
const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'down_proj'], rsLora: false } as const;

interface Kind {
  readonly tied: boolean;
  readonly adapter: boolean;
}

const configOf = (tied: boolean) => parseModelConfig({ ...shape, tie_word_embeddings: tied });

function modelOn(runtime: Runtime, { tied, adapter }: Kind, weights?: HostTensors): LanguageModel {
  const config = configOf(tied);
  return new LanguageModel(
    config,
    weights ?? randomWeights(config),
    runtime,
    adapter ? randomAdapter(config, lora) : null,
  );
}

/** Ids of every piece. */
const ids = (length: number, salt: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 29) % VOCABULARY);
const batch = packTrees([
  { prompt: ids(12, 1), branches: [ids(6, 2), ids(4, 3)] },
  { prompt: ids(8, 5), branches: [ids(4, 6), ids(6, 7)] },
]);
const dLogps = Float32Array.from(batch.targets, (_target, i) => Math.cos(i));

async function passes(model: LanguageModel) {
  const { runtime } = model;
  const sums: Gradients = new Map();
  const activations = await model.forward(batch);
  const statistics = await model.targetStats(activations);
  const places = [0, 3, batch.length - batch.readFrom - 1];
  const logits = await model.predict(activations.output, places, 'logits');
  const likeliest = await model.predict(activations.output, places, 'argmax');
  await model.backward(activations, dLogps, sums);
  activations.free();
  // The second pass adds to the first one's sums, and scores in the backward pass.
  const again = await model.forward(batch);
  await model.backward(again, dLogps, sums);
  again.free();
  const names = [...sums.keys()];
  const gradients = await readGradients(runtime, sums);
  freeGradients(runtime, sums);
  return { statistics, logits, likeliest: [...likeliest], gradients, names };
}

const options: PreferenceOptions = { ...TEN_STEPS, arm: 'short' };
const pairs: TrainingPair[] = [1, 2].map((salt) => ({
  short: ids(12, salt),
  chosen: ids(4, salt + 30),
  rejected: ids(4, salt + 40),
  reference: { shortChosen: -18, shortRejected: -17 },
}));

interface Run {
  readonly metrics: readonly Readonly<Record<string, number>>[];
  readonly weights: HostTensors;
  readonly moments: HostTensors;
}

/** Steps of full training on the runtimes, one after the other; each reads what the one before wrote. */
async function train(
  tied: boolean,
  parts: readonly { readonly runtime: Runtime; readonly steps: number }[],
): Promise<Run> {
  const metrics: Readonly<Record<string, number>>[] = [];
  let saved: Pick<Run, 'weights' | 'moments'> | undefined;
  for (const { runtime, steps } of parts) {
    const model = modelOn(runtime, { tied, adapter: false }, saved?.weights);
    const state = saved && { step: metrics.length, tensors: saved.moments };
    const trainer = new PreferenceTrainer(model, options, state);
    for (let step = 0; step < steps; step++) metrics.push((await trainer.takeStep(pairs)).metrics);
    saved = { weights: await model.trained.read(), moments: await trainer.optimizerTensors() };
    await trainer.free();
    await model.free();
    expect(runtime.allocated).toEqual({ tensors: 0, bytes: 0 });
  }
  return { metrics, ...saved! };
}

/** A driver in software compiles each kernel for seconds, and a busy machine takes as many times longer. */
const PATIENCE_MS = 600_000;

describe.each<{ device: Device; form: GraphForm; limit: number }>([
  { device: 'cpu', form: 'fused', limit: 1e-5 },
  { device: 'webgpu', form: 'loops', limit: 1e-3 },
])('tables in pieces on $device', { timeout: PATIENCE_MS }, ({ device, form, limit }) => {
  const vulkan = useSoftwareVulkan();
  const split = new Runtime({ threads: 1, device, form, maxBufferBytes: MAX_BUFFER_BYTES });
  const cpu = new Runtime({ threads: 1 });
  let missing: string | null = null;
  beforeAll(async () => {
    missing = device === 'webgpu' ? vulkan.missing : null;
    if (!missing) expect((await chooseDevice(device)).device).toBe(device);
  }, PATIENCE_MS);
  afterAll(async () => {
    await split.close();
    await cpu.close();
  });
  const needsDevice = (context: TestContext): void => {
    if (missing) context.skip(missing);
  };

  for (const tied of [true, false])
    for (const adapter of [true, false])
      test(`${tied ? 'tied' : 'untied'}, ${adapter ? 'an adapter' : 'all parameters'}: every number is that of whole tables`, async (context) => {
        needsDevice(context);
        const kind = { tied, adapter };
        const model = modelOn(split, kind);
        const actual = await passes(model);
        const expected = await passes(modelOn(cpu, kind));
        for (const name of ['logps', 'entropies', 'meanLogits'] as const)
          expect(difference(actual.statistics[name], expected.statistics[name]), name).toBeLessThan(limit);
        expect([...actual.statistics.hits]).toEqual([...expected.statistics.hits]);
        expect(difference(actual.logits, expected.logits)).toBeLessThan(limit);
        expect(actual.likeliest).toEqual(expected.likeliest);
        expect([...actual.gradients.keys()].sort()).toEqual([...expected.gradients.keys()].sort());
        for (const [name, gradient] of expected.gradients) {
          expect(Math.max(...gradient.map(Math.abs)), name).toBeGreaterThan(1e-4);
          expect(difference(actual.gradients.get(name)!, gradient), name).toBeLessThan(limit);
        }
        const tables = [...new Set(actual.names.filter((name) => name.includes('#')).map(wholeName))];
        expect(tables.length).toBe(adapter ? 0 : tied ? 1 : 2);
        for (const table of tables)
          for (const name of pieceNames(table, PIECES.length)) expect(actual.names).toContain(name);
        await model.free();
        expect(split.allocated).toEqual({ tensors: 0, bytes: 0 });
      });

  for (const temperature of [0, 1.5])
    test(`samples at temperature ${temperature} are those of whole tables`, async (context) => {
      needsDevice(context);
      const prompts = [ids(12, 1), ids(8, 2)].map((tokens, i) => ({ tokens, key: [i, 77] as const }));
      const sampling = { samplesPerPrompt: 2, topP: 1, maxNewTokens: 4, eosIds: [], seed: 5, temperature };
      const kind = { tied: true, adapter: true };
      const model = modelOn(split, kind);
      const actual = await sample(model, prompts, sampling);
      const expected = await sample(modelOn(cpu, kind), prompts, sampling);
      for (const [i, samples] of expected.entries())
        for (const [j, { tokens, logp }] of samples.entries()) {
          expect([...actual[i]![j]!.tokens]).toEqual([...tokens]);
          expect(actual[i]![j]!.logp).toBeCloseTo(logp, 3);
        }
      await model.free();
    });

  for (const [what, tied, parts] of [
    [
      'tied, saved and restored in pieces',
      true,
      [
        { runtime: split, steps: 5 },
        { runtime: split, steps: 5 },
      ],
    ],
    [
      'untied, saved in pieces, restored whole and back',
      false,
      [
        { runtime: split, steps: 4 },
        { runtime: cpu, steps: 3 },
        { runtime: split, steps: 3 },
      ],
    ],
  ] as const)
    test(`ten steps of full training, ${what}, are those of whole tables`, async (context) => {
      needsDevice(context);
      const expected = await train(tied, [{ runtime: cpu, steps: 10 }]);
      const actual = await train(tied, parts);
      actual.metrics.forEach(({ loss, grad_norm }, step) => {
        expect(loss, `step ${step + 1}`).toBeCloseTo(expected.metrics[step]!.loss!, 3);
        expect(grad_norm! / expected.metrics[step]!.grad_norm!, `step ${step + 1}`).toBeCloseTo(1, 3);
      });
      expect(actual.metrics.at(-1)!.loss).toBeLessThan(actual.metrics[0]!.loss!);
      expect([...actual.weights].map(([name, { dims }]) => [name, dims])).toEqual(modelParameters(configOf(tied)));
      expect([...actual.moments.keys()]).toEqual([...expected.moments.keys()]);
      for (const [name, { data }] of expected.weights)
        expect(difference(actual.weights.get(name)!.data, data), name).toBeLessThan(limit);
      for (const [name, { data }] of expected.moments)
        expect(difference(actual.moments.get(name)!.data, data), name).toBeLessThan(5 * limit);
    });

  test('a parameter that is no table is not split: it is named, and what was placed is given back', async (context) => {
    needsDevice(context);
    const tight = new Runtime({ threads: 1, device, form, maxBufferBytes: 4 * WIDTH * 20 });
    const model = modelOn(tight, { tied: false, adapter: false });
    const forward = model.forward(batch);
    await expect(forward).rejects.toThrow(ModelError);
    await expect(forward).rejects.toThrow(/"model\.layers\.0\.mlp\.gate_proj\.weight" has .* choose device cpu, or/);
    await model.free();
    expect(tight.allocated).toEqual({ tensors: 0, bytes: 0 });
    await tight.close();
  });

  if (device !== 'cpu') {
    test('what is left to the processor is whole numbers', async (context) => {
      needsDevice(context);
      const profile = mkdtempSync(join(tmpdir(), 'solopo-placement-'));
      const runtime = new Runtime({ threads: 1, device, form, profile, maxBufferBytes: MAX_BUFFER_BYTES });
      await passes(modelOn(runtime, { tied: true, adapter: false }));
      await runtime.close();
      const placements = readPlacements(profile);
      rmSync(profile, { recursive: true });
      expect(placements.map(({ graph }) => graph)).toEqual(
        expect.arrayContaining(['embed', 'embed-backward', 'head-score']),
      );
      expect(fallbacks(placements).filter(({ wholeNumbers }) => !wholeNumbers)).toEqual([]);
    });

    test('the first refusal of a buffer tells how large one can be', async (context) => {
      needsDevice(context);
      const runtime = new Runtime({ threads: 1, device, form });
      expect(runtime.maxBufferBytes).toBe(Infinity);
      // Pages of zeros that nobody touches: the device refuses before it copies.
      const [rows, columns] = [1 << 20, 257];
      const asked = await runtime
        .upload(float32(new Float32Array(rows * columns), [rows, columns]))
        .catch((error: unknown) => error);
      const { maxBufferBytes } = runtime;
      await runtime.close();
      if (!(asked instanceof Error)) context.skip('a buffer of this device holds more than 1 GiB');
      expect(asked).toBeInstanceOf(BufferSizeError);
      expect((asked as BufferSizeError).maxBytes).toBe(maxBufferBytes);
      expect(maxBufferBytes).toBeGreaterThanOrEqual(1 << 27);
      expect(maxBufferBytes).toBeLessThan(4 * rows * columns);
    });
  }
});

test('a limit that is forced is told by the fingerprint, which is otherwise what it was', () => {
  const { fingerprint } = new Runtime({ threads: 1 });
  expect(fingerprint).not.toContain('buffers');
  const forced = new Runtime({ threads: 1, maxBufferBytes: 1 << 27 }).fingerprint;
  expect(forced).toBe(fingerprint.replace('float32;', 'float32, buffers 134217728;'));
});
