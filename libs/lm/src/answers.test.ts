import { Random } from '@solopo/random';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerInBatch } from './fixed-batch.ts';
import {
  LanguageModel,
  parseModelConfig,
  Runtime,
  sample,
  type HostTensor,
  type ModelConfig,
  type SamplingWeights,
} from './index.ts';
import { roundWeights } from './sampling-weights.ts';
import { REFERENCE_MODELS, referenceAdapter, referenceWeights } from './testing/reference-models.fixture.ts';

let runtime: Runtime;
beforeAll(() => void (runtime = new Runtime({ threads: 1 })));
afterAll(() => runtime.close());

const sizes = { hidden_size: 32, intermediate_size: 64, vocab_size: 64, max_position_embeddings: 4096 };
const configOf = (name: string): ModelConfig => {
  const reference = REFERENCE_MODELS[name] ?? {};
  return parseModelConfig({ ...reference, ...sizes, ...('sliding_window' in reference && { sliding_window: 96 }) });
};

const FAMILIES = ['llama', 'llama, dynamic', 'mistral', 'qwen2', 'qwen3', 'gemma3'];
const WEIGHTS = ['float32', 'int8', 'int4'] as const satisfies readonly SamplingWeights[];

function prompts(lengths: readonly number[]) {
  const random = new Random('prompts');
  return lengths.map((length, i) => ({
    tokens: Int32Array.from({ length }, () => random.below(64)),
    key: [i, 9] as const,
  }));
}

const options = {
  samplesPerPrompt: 1,
  temperature: 1,
  topP: 1,
  maxNewTokens: 12,
  eosIds: [3, 7, 17, 21, 33, 40, 51],
  seed: 2,
};

describe.each(WEIGHTS)('answers by %s weights', (samplingWeights) => {
  test.each(FAMILIES)('%s: an answer is the same to the last bit whatever goes on beside it', async (family) => {
    const config = configOf(family);
    const model = new LanguageModel(config, referenceWeights(config, 1), runtime, null, { samplingWeights });
    const asked = prompts([5, 70, 300, 64, 1, 130]);
    for (const samplesPerPrompt of [1, 3]) {
      const given = { ...options, samplesPerPrompt };
      const together = await sample(model, asked, given);
      const oneByOne = await sample(model, asked, given, { cacheBytes: 1 });
      const alone = [];
      for (const prompt of asked) alone.push(...(await sample(model, [prompt], given)));
      expect(oneByOne).toEqual(together);
      expect(alone).toEqual(together);
      expect(together.flat().reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeGreaterThan(asked.length);
    }
  });
});

test('answers that outgrow their room, and a window that moves past the prompt, are those of a fixed batch', async () => {
  const config = configOf('gemma3');
  expect(config.layerKinds.some(({ slidingWindow }) => slidingWindow === 96)).toBe(true);
  const model = new LanguageModel(config, referenceWeights(config, 1), runtime);
  for (const samplesPerPrompt of [1, 2]) {
    const given = { ...options, samplesPerPrompt, maxNewTokens: 90, eosIds: [] };
    const asked = prompts([40, 130]);
    const answers = (await sample(model, asked, given)).flat();
    const expected = (await answerInBatch(model, asked, given)).flat();
    expect(answers.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
    answers.forEach(({ logp }, i) => expect(logp).toBeCloseTo(expected[i]!.logp, 3));
  }
});

test('an adapter changes answers by rounded weights as it does exact ones, and is not rounded away', async () => {
  const config = configOf('llama');
  const lora = { rank: 2, alpha: 4, targets: ['q_proj', 'gate_proj', 'down_proj'] as const, rsLora: false };
  const adapter = { options: lora, weights: referenceAdapter(config, lora, 3) };
  const logps = async (samplingWeights: SamplingWeights, scale: number): Promise<number> => {
    const base = new LanguageModel(config, referenceWeights(config, 1), runtime, null, { samplingWeights });
    const weights = new Map(
      [...adapter.weights].map(([name, { dims, data }]) => [name, { dims, data: data.map((x) => x * scale) }] as const),
    );
    const [[answer] = []] = await sample(base.withAdapter({ ...adapter, weights }), prompts([20]), {
      ...options,
      maxNewTokens: 1,
    });
    return answer!.logp;
  };
  const change = async (weights: SamplingWeights): Promise<number> =>
    (await logps(weights, 1)) - (await logps(weights, 0));
  const exact = await change('float32');
  expect(Math.abs(exact)).toBeGreaterThan(0.1);
  expect(Math.abs((await change('int8')) - exact)).toBeLessThan(Math.abs(exact) / 10);
});

describe('rounded weights', () => {
  const matrix = (dims: [number, number], fill: (i: number) => number): HostTensor => ({
    dims,
    data: Float32Array.from({ length: dims[0] * dims[1] }, (_, i) => fill(i)),
  });
  const named = (tensor: HostTensor) => new Map([['model.layers.0.mlp.up_proj.weight', tensor]]);

  test('a row of zeros stays one', async () => {
    for (const format of ['int8', 'int4'] as const) {
      const config = configOf('llama');
      const weights = referenceWeights(config, 1);
      weights.get('model.layers.0.self_attn.v_proj.weight')!.data.fill(0);
      const model = new LanguageModel(config, weights, runtime, null, { samplingWeights: format });
      expect(model.exactWeights).toEqual([]);
      const [[answer] = []] = await sample(model, prompts([9]), options);
      expect(answer!.logp).toBeLessThan(0);
    }
  });

  test.each(['int8', 'int4'] as const)('%s leaves a matrix with an infinity as it is, and says so', (format) => {
    const infinite = named(matrix([2, 32], (i) => (i === 5 ? Infinity : 1)));
    const { tensors, exact } = roundWeights(infinite, format);
    expect(exact).toEqual([...infinite.keys()]);
    expect(tensors).toEqual(infinite);
  });

  test('int4 leaves rows that are no multiple of a block as they are; a model of such rows answers all the same', async () => {
    expect(roundWeights(named(matrix([2, 48], () => 1)), 'int4').exact).toHaveLength(1);
    const config = parseModelConfig({ ...REFERENCE_MODELS['llama'], ...sizes, hidden_size: 32, intermediate_size: 48 });
    const options4 = { samplingWeights: 'int4' } as const;
    const model = new LanguageModel(config, referenceWeights(config, 1), runtime, null, options4);
    expect(model.exactWeights).toEqual([0, 1].map((layer) => `model.layers.${layer}.mlp.down_proj.weight`));
    expect((await sample(model, prompts([9]), options)).flat()).toHaveLength(1);
  });

  test('int8 is off by half a step of its row at most, int4 by half a step of its block', () => {
    const random = new Random('weights');
    const tensor = matrix([3, 64], (i) => (random.float() - 0.5) * (i < 64 ? 100 : 1));
    const greatest = (from: number, count: number) =>
      Math.max(...tensor.data.subarray(from, from + count).map((x) => Math.abs(x)));
    const int8 = roundWeights(named(tensor), 'int8').tensors.values().next().value as {
      values: Int8Array;
      scales: Float32Array;
    };
    const int4 = roundWeights(named(tensor), 'int4').tensors.values().next().value as {
      nibbles: Uint8Array;
      scales: Float32Array;
    };
    tensor.data.forEach((x, i) => {
      const row = Math.floor(i / 64);
      expect(Math.abs(int8.values[i]! * int8.scales[row]! - x)).toBeLessThan(greatest(row * 64, 64) / 253);
      const block = Math.floor(i / 32);
      const nibble = (int4.nibbles[i >> 1]! >> (i % 2 === 0 ? 0 : 4)) & 15;
      // The value opposite to the extreme one has no place of its own: 8 is cut to 7.
      expect(Math.abs((nibble - 8) * int4.scales[block]! - x)).toBeLessThan(greatest(block * 32, 32) / 7.99);
    });
  });

  test('give answers alone, on the processor', async () => {
    const config = configOf('llama');
    const model = new LanguageModel(config, referenceWeights(config, 1), runtime, null, { samplingWeights: 'int8' });
    const { packTrees } = await import('./index.ts');
    await expect(model.infer(packTrees([{ prompt: Int32Array.of(1, 2), branches: [] }]))).rejects.toThrow(
      'a model with rounded weights gives answers alone; open it with samplingWeights float32',
    );
    expect(() => model.trained).toThrow('rounded');
  });
});

test('once the time is over no further prompt is begun, and those that were are answered', async () => {
  const config = configOf('llama');
  const model = new LanguageModel(config, referenceWeights(config, 1), runtime);
  const asked = prompts([40, 40, 40, 40]);
  const all = await sample(model, asked, options);
  const told: number[] = [];
  const some = await sample(model, asked, options, {
    sliceMs: 0,
    cacheBytes: 1,
    onAnswered: (count) => told.push(count),
  });
  expect(some.length).toBeLessThan(asked.length);
  expect(some).toEqual(all.slice(0, some.length));
  expect(told).toEqual(some.map((_, i) => i + 1));
});
