import { Random } from '@solopo/random';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  LanguageModel,
  LORA_TARGETS,
  packTrees,
  parseModelConfig,
  PreferenceTrainer,
  Runtime,
  readGradients,
  zeroGradients,
  type LanguageModelOptions,
  type ModelConfig,
  type PreferenceOptions,
  type TrainingPair,
  type Tree,
  type TreeBatch,
} from './index.ts';
import { referenceAdapter, REFERENCE_MODELS, referenceWeights } from './testing/reference-models.fixture.ts';
import { PAIR_CASES, referencePairs, withReference } from './testing/reference-pairs.fixture.ts';

/** Random shapes, each from its seed: what must not change the numbers, and by how little it may. */
const SEEDS = Array.from({ length: 12 }, (_, seed) => seed);
const LIMIT = 1e-5;

let runtime: Runtime;
// Every seed has shapes, and so sessions, of its own.
beforeEach(() => void (runtime = new Runtime({ threads: 1 })));
afterEach(() => runtime.close());

interface Drawn {
  readonly name: string;
  readonly config: ModelConfig;
  readonly trees: readonly Tree[];
  readonly model: (options?: LanguageModelOptions) => LanguageModel;
  readonly random: Random;
}

function drawShape(seed: number): Drawn {
  const random = new Random('shapes', seed);
  const name = random.pick(Object.keys(REFERENCE_MODELS));
  const [heads, kvHeads] = random.pick([
    [1, 1],
    [2, 1],
    [4, 2],
    [3, 3],
    [6, 2],
  ] as const);
  const layers = random.between(1, 3);
  const config = parseModelConfig({
    ...REFERENCE_MODELS[name],
    vocab_size: 32,
    hidden_size: random.between(12, 24),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: 2 * random.between(2, 5),
    intermediate_size: random.between(8, 32),
    layer_types: null,
  });
  const ids = (least: number, most: number): Int32Array =>
    Int32Array.from({ length: random.between(least, most) }, () => random.below(32));
  const trees = Array.from({ length: random.between(1, 3) }, () => ({
    prompt: ids(1, 40),
    branches: Array.from({ length: random.between(1, 3) }, () => ids(1, 9)),
  }));
  const weights = referenceWeights(config, seed + 1);
  const lora = {
    rank: random.between(1, 4),
    alpha: 5,
    targets: LORA_TARGETS.filter(() => random.chance(0.6)),
    rsLora: random.chance(0.5),
  };
  const adapter =
    random.chance(0.5) && lora.targets.length > 0
      ? { options: lora, weights: referenceAdapter(config, lora, seed) }
      : null;
  return {
    name: `${name}, ${layers} layers, ${heads} heads, ${kvHeads} for keys, ${adapter ? 'adapter' : 'full'}`,
    config,
    trees,
    model: (options) => new LanguageModel(config, weights, runtime, adapter, options),
    random,
  };
}

interface Numbers {
  /** By tree, branch and token. */
  readonly logps: ReadonlyMap<string, number>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Log-probabilities and the gradient of their sum, weighted by place, so that the layout has no part in it. */
async function numbersOf(
  model: LanguageModel,
  batches: readonly (readonly { readonly tree: Tree; readonly name: (branch: number) => string }[])[],
  layout: Partial<Pick<TreeBatch, 'readFrom'>> = {},
): Promise<Numbers> {
  const logps = new Map<string, number>();
  const gradients = zeroGradients(model.trainable);
  for (const group of batches) {
    const packed = packTrees(
      group.map(({ tree }) => tree),
      model.packing,
    );
    const batch = { ...packed, ...layout };
    const activations = await model.forward(batch);
    const scores = (await model.targetLogps(activations)).logps;
    const count = new Map<string, number>();
    const derivatives = Float32Array.from(batch.targets, ({ tree, branch }, i) => {
      const row = group[tree]!.name(branch);
      const place = count.get(row) ?? 0;
      count.set(row, place + 1);
      logps.set(`${row} ${place}`, scores[i]!);
      return Math.cos(7 * place + row.length + row.charCodeAt(0) + 3 * row.charCodeAt(row.length - 1));
    });
    await model.backward(activations, derivatives, gradients);
  }
  return { logps, gradients: await readGradients(model.runtime, gradients) };
}

const whole = (trees: readonly Tree[]) =>
  trees.map((tree, i) => ({ tree, name: (branch: number) => `${i}/${branch}` }));
const apart = (trees: readonly Tree[]) =>
  trees.flatMap(({ prompt, branches }, i) =>
    branches.map((tokens, branch) => ({ tree: { prompt, branches: [tokens] }, name: () => `${i}/${branch}` })),
  );

function demandEqual(own: Numbers, other: Numbers): void {
  expect([...own.logps.keys()].sort()).toEqual([...other.logps.keys()].sort());
  for (const [row, logp] of own.logps) expect(Math.abs(logp - other.logps.get(row)!), row).toBeLessThan(LIMIT);
  demandGradients(own.gradients, other.gradients);
}

/** The difference's norm over that of the whole gradient. */
function demandGradients(own: ReadonlyMap<string, Float32Array>, other: ReadonlyMap<string, Float32Array>): void {
  let [difference, norm] = [0, 0];
  for (const [name, values] of own) {
    const theirs = other.get(name)!;
    values.forEach((x, i) => {
      difference += (x - theirs[i]!) ** 2;
      norm += x * x;
    });
  }
  expect(norm).toBeGreaterThan(1e-6);
  expect(Math.sqrt(difference / norm)).toBeLessThan(LIMIT);
}

describe.each(SEEDS)('shape %i', (seed) => {
  test('a shared prompt gives what its responses give apart', async () => {
    const { name, trees, model } = drawShape(seed);
    const lm = model();
    const shared = await numbersOf(lm, [whole(trees)]);
    expect(shared.logps.size, name).toBeGreaterThan(0);
    demandEqual(shared, await numbersOf(lm, [apart(trees)]));
  });

  test('each tree alone gives what it gives in a padded batch', async () => {
    const { trees, model } = drawShape(seed);
    const lm = model();
    demandEqual(
      await numbersOf(lm, [whole(trees)]),
      await numbersOf(
        lm,
        whole(trees).map((tree) => [tree]),
      ),
    );
  });

  test('query chunks change nothing', async () => {
    const { trees, model, random } = drawShape(seed);
    const one = await numbersOf(model({ queryChunk: 1000 }), [whole(trees)]);
    for (const queryChunk of [1, random.between(2, 20)])
      demandEqual(one, await numbersOf(model({ queryChunk }), [whole(trees)]));
  });

  test('the last block makes its output only where it is read, which changes nothing', async () => {
    const { trees, model } = drawShape(seed);
    const lm = model();
    demandEqual(await numbersOf(lm, [whole(trees)]), await numbersOf(lm, [whole(trees)], { readFrom: 0 }));
  });

  test('recomputation changes no bit', async () => {
    const { trees, model } = drawShape(seed);
    const kept = await numbersOf(model({ recompute: 'none', queryChunk: 9 }), [whole(trees)]);
    const again = await numbersOf(model({ recompute: 'all', queryChunk: 9 }), [whole(trees)]);
    expect(again.logps).toEqual(kept.logps);
    expect(again.gradients).toEqual(kept.gradients);
  });

  test('micro-batches change nothing', async () => {
    const { model, random } = drawShape(seed);
    const options = PAIR_CASES[random.pick(Object.keys(PAIR_CASES))]!;
    const pairs = referencePairs(6).map((pair) =>
      withReference(
        pair,
        { shortChosen: -8, shortRejected: -11, longChosen: -9, longRejected: -10 },
        options.alignment,
      ),
    );
    const all = await step([model(), model()], options, pairs, 1e6);
    const few = await step([model(), model()], options, pairs, random.between(1, 60));
    expect(few.loss).toBeCloseTo(all.loss, 5);
    demandGradients(few.gradients, all.gradients);
  });
});

/** One step of a trainer whose first moments are the gradients. The teacher is read by an objective that has one. */
async function step(
  [model, teacher]: readonly [LanguageModel, LanguageModel],
  options: Pick<PreferenceOptions, 'arm' | 'objective' | 'alignment'>,
  pairs: readonly TrainingPair[],
  microBatchTokens: number,
): Promise<{ loss: number; gradients: ReadonlyMap<string, Float32Array> }> {
  const training = {
    ...options,
    optimizer: { betas: [0, 0.9], epsilon: 1e-8, weightDecay: 0 },
    schedule: { learningRate: 0, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
    clipNorm: 1e9,
    microBatchTokens,
    steps: 1,
  } as const;
  const trainer = new PreferenceTrainer(model, training, undefined, teacher);
  const { metrics } = await trainer.takeStep(pairs);
  const moments = await trainer.optimizerTensors();
  return {
    loss: metrics['loss']!,
    gradients: new Map([...model.trainable.keys()].map((name) => [name, moments.get(`m.${name}`)!.data])),
  };
}
