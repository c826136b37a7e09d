import { afterAll, expect, test } from 'vitest';
import {
  LanguageModel,
  LORA_TARGETS,
  parseModelConfig,
  PreferenceTrainer,
  Runtime,
  type PreferenceOptions,
  type RuntimeOptions,
  type TrainingPair,
} from './index.ts';
import { difference, randomAdapter, randomWeights, TEN_STEPS, TWO_PAIRS } from './testing/compared-runs.fixture.ts';

/* Self-distillation. That loss and gradients are PyTorch's is in preference.parity.test.ts. */

const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 100,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 24,
  rope_theta: 100,
  tie_word_embeddings: true,
});
const lora = { rank: 4, alpha: 8, targets: LORA_TARGETS, rsLora: false } as const;

const open: Runtime[] = [];
afterAll(async () => {
  for (const runtime of open) await runtime.close();
});

function runtimeWith(options: Partial<RuntimeOptions> = {}): Runtime {
  const runtime = new Runtime({ threads: 1, ...options });
  open.push(runtime);
  return runtime;
}
const runtime = runtimeWith();

const DISTIL: PreferenceOptions = {
  ...TEN_STEPS,
  arm: 'distil',
  objective: { kind: 'distil' },
  clipNorm: Infinity,
  // With an epsilon this large AdamW steps by learningRate / epsilon times the gradient.
  optimizer: { betas: [0, 0], epsilon: 1e12, weightDecay: 0 },
  microBatchTokens: 1000,
};
const withRate = (rate: number): PreferenceOptions => ({
  ...DISTIL,
  schedule: { learningRate: rate * 1e12, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
});

/** As they are recorded: without a rejected answer. */
const items: readonly TrainingPair[] = TWO_PAIRS.map(({ short, long, chosen }) => ({
  ...(short && { short }),
  ...(long && { long }),
  chosen,
  rejected: new Int32Array(0),
  reference: {},
}));

type Trained = 'all' | 'adapter';

function policyOn(on: Runtime, trained: Trained): LanguageModel {
  return new LanguageModel(
    config,
    randomWeights(config),
    on,
    trained === 'adapter' ? randomAdapter(config, lora) : null,
  );
}

/** An adapter's teacher is what is under it; that of all parameters is another model here, so that there is something to learn. */
function trainerOn(policy: LanguageModel, trained: Trained, options = withRate(0)): PreferenceTrainer {
  return new PreferenceTrainer(
    policy,
    options,
    undefined,
    trained === 'adapter' ? policy.withoutAdapter() : otherModel(),
  );
}

function otherModel(): LanguageModel {
  const weights = randomWeights(config);
  for (const { data } of weights.values()) data.forEach((x, i) => (data[i] = x * (1 + 0.2 * Math.cos(i))));
  return new LanguageModel(config, weights, runtime, null, { frozen: true });
}

const both = ['all', 'adapter'] as const;

test.each(both)('a small step of %s down the gradient lowers the divergence by its squared norm', async (trained) => {
  const { metrics } = await trainerOn(policyOn(runtime, trained), trained).takeStep(items);
  const rate = 2e-3 / metrics['grad_norm']! ** 2;
  const trainer = trainerOn(policyOn(runtime, trained), trained, withRate(rate));
  const [before, after] = [await trainer.takeStep(items), await trainer.takeStep(items)].map((step) => step.metrics);
  expect(before!['loss']).toBeCloseTo(metrics['loss']!, 6);
  const change = (before!['loss']! - after!['loss']!) / 2e-3;
  expect(change).toBeGreaterThan(0.9);
  expect(change).toBeLessThan(1.1);
});

test('a step logs the divergence, what is known of the answer, and nothing of a rejected one', async () => {
  const { metrics, phaseSeconds, policyTokens } = await trainerOn(policyOn(runtime, 'all'), 'all').takeStep(items);
  expect(metrics['kl']).toBe(metrics['loss']);
  expect(metrics['loss']).toBeGreaterThan(0.01);
  expect(Object.keys(metrics).sort()).toEqual([
    'entropy',
    'grad_norm',
    'kl',
    'learning_rate',
    'logits/chosen',
    'logps/chosen',
    'loss',
    'mean_token_accuracy',
    'solo/loss_po',
  ]);
  expect(phaseSeconds).toHaveProperty('reference');
  expect(policyTokens).toBe(items.reduce((sum, { long, chosen }) => sum + long!.length + chosen.length, 0));
});

test('from itself under the same context a model has nothing to learn', async () => {
  const same = items.map((item) => ({ ...item, long: item.short! }));
  const policy = policyOn(runtime, 'all');
  const trainer = new PreferenceTrainer(policy, withRate(0), undefined, policyOn(runtime, 'all'));
  const { metrics } = await trainer.takeStep(same);
  expect(Math.abs(metrics['loss']!)).toBeLessThan(1e-5);
  expect(metrics['grad_norm']).toBeLessThan(1e-3);
});

test('the micro-batch size changes nothing beyond rounding', async () => {
  const [whole, small] = [
    await trainerOn(policyOn(runtime, 'adapter'), 'adapter').takeStep(items),
    await trainerOn(policyOn(runtime, 'adapter'), 'adapter', { ...withRate(0), microBatchTokens: 1 }).takeStep(items),
  ];
  expect(small.metrics['loss']).toBeCloseTo(whole.metrics['loss']!, 5);
  expect(small.metrics['grad_norm']).toBeCloseTo(whole.metrics['grad_norm']!, 4);
});

test.each<[string, Trained, Partial<RuntimeOptions>]>([
  ['tables in pieces, all parameters trained', 'all', { maxBufferBytes: 4 * 16 * 40 }],
  ['tables in pieces, an adapter trained', 'adapter', { maxBufferBytes: 4 * 16 * 40 }],
  ['weights in sessions', 'adapter', { weightsInSessions: true }],
])('%s give the same step', async (_, trained, options) => {
  const step = async (on: Runtime) => {
    const policy = policyOn(on, trained);
    const teacher = trained === 'adapter' ? policy.withoutAdapter() : policyOn(on, 'all');
    const trainer = new PreferenceTrainer(
      policy,
      { ...DISTIL, optimizer: { betas: [0, 0.9], epsilon: 1e-8, weightDecay: 0 } },
      undefined,
      teacher,
    );
    const { metrics } = await trainer.takeStep(items);
    return { metrics, moments: await trainer.optimizerTensors() };
  };
  const [own, expected] = [await step(runtimeWith(options)), await step(runtime)];
  expect(own.metrics['loss']).toBeCloseTo(expected.metrics['loss']!, 6);
  for (const [name, { data }] of expected.moments)
    expect(difference(own.moments.get(name)!.data, data), name).toBeLessThan(1e-4);
});

test('without a teacher is refused', () => {
  expect(() => new PreferenceTrainer(policyOn(runtime, 'all'), DISTIL)).toThrow(/distil objective has a teacher/);
});
