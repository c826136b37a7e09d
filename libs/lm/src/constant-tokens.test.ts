import { afterAll, describe, expect, test } from 'vitest';
import {
  consume,
  LanguageModel,
  LORA_TARGETS,
  packTrees,
  parseModelConfig,
  PreferenceTrainer,
  readGradients,
  Runtime,
  type Gradients,
  type LanguageModelOptions,
  type ModelConfig,
  type Tree,
} from './index.ts';
import { sumOfBytes } from './tensor.ts';
import {
  difference,
  idsBelow50,
  randomAdapter,
  randomWeights,
  TEN_STEPS,
  TWO_PAIRS,
} from './testing/compared-runs.fixture.ts';

/*
 * Tokens whose keys and values are constants of the backward pass. That their gradients are those of PyTorch is in
 * preference.parity.test.ts.
 */

const sizes = {
  vocab_size: 52,
  hidden_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  rope_theta: 100,
  max_position_embeddings: 4096,
};
const CONFIGS = {
  qwen2: parseModelConfig({ ...sizes, model_type: 'qwen2', tie_word_embeddings: true }),
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

const runtime = new Runtime({ threads: 1 });
const sessions = new Runtime({ threads: 1, weightsInSessions: true });
afterAll(async () => {
  await runtime.close();
  await sessions.close();
});

type Options = LanguageModelOptions & { readonly adapter?: boolean; readonly on?: Runtime };

const modelOf = (config: ModelConfig, { adapter = true, on = runtime, ...options }: Options = {}) =>
  new LanguageModel(config, randomWeights(config), on, adapter ? randomAdapter(config, lora) : null, options);

const LONG: Tree = { prompt: idsBelow50(40, 1), branches: [idsBelow50(6, 2), idsBelow50(4, 3)] };
const SHORTER: Tree = { prompt: idsBelow50(23, 5), branches: [idsBelow50(3, 6), idsBelow50(5, 7)] };

interface Pass {
  readonly logps: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

async function pass(model: LanguageModel, groups: readonly (readonly Tree[])[], tail?: number): Promise<Pass> {
  const gradients: Gradients = new Map();
  const logps: number[] = [];
  for (const trees of groups) {
    const batch = packTrees(trees, { ...model.packing, ...(tail === undefined ? {} : { tail }) });
    await consume(await model.forward(batch), async (activations) => {
      const own = (await model.targetStats(activations)).logps;
      const dLogps = own.map((_, i) => Math.cos(logps.length + i));
      logps.push(...own);
      await model.backward(activations, dLogps, gradients);
    });
  }
  return { logps: Float32Array.from(logps), gradients: await readGradients(model.runtime, gradients) };
}

function demandNear(actual: Pass, expected: Pass): void {
  expect(difference(actual.logps, expected.logps)).toBeLessThan(1e-5);
  expect([...actual.gradients.keys()].sort()).toEqual([...expected.gradients.keys()].sort());
  for (const [name, gradient] of expected.gradients) {
    expect(Math.max(...gradient.map(Math.abs)), name).toBeGreaterThan(1e-6);
    expect(difference(actual.gradients.get(name)!, gradient), name).toBeLessThan(1e-4);
  }
}

const MODELS = [
  ['qwen2', true],
  ['qwen2', false],
  ['gemma3', true],
  ['gemma3', false],
] as const;

describe.each(MODELS)('%s, adapter %s', (name, adapter) => {
  const config = CONFIGS[name];

  test('a tail as long as the prompt has every bit of the whole gradient', async () => {
    const model = modelOf(config, { adapter });
    expect(await pass(model, [[LONG, SHORTER]], 40)).toEqual(await pass(model, [[LONG, SHORTER]]));
  });

  test('a shorter tail has the same log-probabilities and another gradient', async () => {
    const model = modelOf(config, { adapter });
    const [whole, tail] = [await pass(model, [[LONG]]), await pass(model, [[LONG]], 5)];
    expect(difference(tail.logps, whole.logps)).toBeLessThan(1e-5);
    const values = 'model.layers.0.self_attn.v_proj';
    const parameter = adapter ? `${values}.lora_B.weight` : `${values}.weight`;
    expect(difference(tail.gradients.get(parameter)!, whole.gradients.get(parameter)!)).toBeGreaterThan(0.05);
  });

  // The shorter prompt's first 18 tokens are constants, the longer one's first 35; or, of a tail of 30, none and 10.
  test.each([5, 30])('rows of unequal length have the gradients of rows run apart, tail %i', async (tail) => {
    const model = modelOf(config, { adapter });
    demandNear(await pass(model, [[LONG, SHORTER]], tail), await pass(model, [[LONG], [SHORTER]], tail));
  });

  test('what is computed again is the same to the last bit', async () => {
    const [kept, again] = (['none', 'all'] as const).map((recompute) => modelOf(config, { adapter, recompute }));
    expect(await pass(again!, [[LONG, SHORTER]], 5)).toEqual(await pass(kept!, [[LONG, SHORTER]], 5));
  });
});

test('constants that go through in several parts are the same as in one', async () => {
  const model = modelOf(CONFIGS.gemma3);
  const trees = [1, 2].map((salt) => ({ prompt: idsBelow50(1200, salt), branches: [idsBelow50(4, 3)] }));
  // Together they are 2,390 tokens, in two parts; apart 1,195, in one.
  demandNear(await pass(model, [trees], 5), await pass(model, [[trees[0]!], [trees[1]!]], 5));
});

test.each(Object.keys(CONFIGS) as (keyof typeof CONFIGS)[])(
  'with weights in sessions %s has the same gradients',
  async (name) => {
    const own = modelOf(CONFIGS[name], { on: sessions });
    for (const [groups, tail] of [
      [[[LONG, SHORTER]], 5],
      [[[LONG, SHORTER]], 30],
      [[[{ ...LONG, prompt: idsBelow50(2100, 1) }]], 1],
    ] as const)
      demandNear(await pass(own, groups, tail), await pass(modelOf(CONFIGS[name]), groups, tail));
  },
);

test.each(['none', 'all'] as const)(
  'of a longer context nothing more is kept but keys and values, recompute %s',
  async (recompute) => {
    const { layers, kvHeads, headSize } = CONFIGS.qwen2;
    const kept = async (length: number) => {
      const model = modelOf(CONFIGS.qwen2, { recompute });
      const batch = packTrees([{ prompt: idsBelow50(length, 1), branches: [idsBelow50(4, 3)] }], { tail: 8 });
      return consume(await model.forward(batch), async (activations) => {
        const tensors = new Set(
          activations.layers.flatMap(({ h, kept: own, seen }) => [h, ...Object.values({ ...own, ...seen })]),
        );
        return sumOfBytes(Object.fromEntries([...tensors].map((tensor, i) => [i, tensor])));
      });
    };
    expect((await kept(600)) - (await kept(100))).toBe(500 * 2 * 4 * layers * kvHeads * headSize);
  },
);

describe('a step', () => {
  const step = async (backward: 'full' | 'response' | { readonly tail: number }, arm: 'solo' | 'long' = 'solo') => {
    const options = { ...TEN_STEPS, arm, alignment: { ...TEN_STEPS.alignment, backward } };
    const model = modelOf(CONFIGS.qwen2);
    const { metrics } = await new PreferenceTrainer(model, options).takeStep(TWO_PAIRS);
    return { metrics, trained: model.trainable };
  };

  test('of a tail has the loss of the whole, and another gradient', async () => {
    const [full, tail] = [await step('full'), await step({ tail: 4 })];
    expect(tail.metrics['loss']).toBeCloseTo(full.metrics['loss']!, 5);
    expect(Math.abs(tail.metrics['grad_norm']! / full.metrics['grad_norm']! - 1)).toBeGreaterThan(1e-3);
  });

  test('of a tail of every token is that of the whole, to the last bit', async () => {
    expect(await step({ tail: 1000 })).toEqual(await step('full'));
  });

  test('of the response is that of a tail of the token that predicts its first', async () => {
    expect(await step('response')).toEqual(await step({ tail: 1 }));
  });

  test('of an arm that trains on the long row has its whole gradient', async () => {
    expect(await step({ tail: 4 }, 'long')).toEqual(await step('full', 'long'));
  });
});
