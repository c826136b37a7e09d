import {
  initialise,
  initialiseLora,
  PreferenceTrainer,
  type Adapter,
  type HostTensors,
  type LanguageModel,
  type LoraOptions,
  type ModelConfig,
  type PreferenceOptions,
  type TrainingPair,
} from '../index.ts';

/*
 * What tests run twice to compare: on a device and on the processor, with tables in pieces and whole, with weights in sessions and fed.
 */

/** Every weight random, so that no gradient is 0 by chance. */
export function randomWeights(config: ModelConfig): HostTensors {
  const weights = initialise(config, { seed: 1, embeddingStd: 0.7, residualScale: 1 });
  for (const [name, { dims, data }] of weights)
    if (dims.length === 1) data.forEach((value, i) => (data[i] = value + 0.3 * Math.sin(i * 7 + name.length)));
  return weights;
}

/** No matrix is 0. */
export function randomAdapter(config: ModelConfig, options: LoraOptions, seed = 1): Adapter {
  const weights = initialiseLora(config, options, seed);
  for (const { data } of weights.values()) data.forEach((x, i) => (data[i] = x + 0.05 * Math.sin(i + seed - 1)));
  return { options, weights };
}

/** Ten steps with everything that a step can have: alignment, weight decay, a schedule, clipping. */
export const TEN_STEPS: PreferenceOptions = {
  arm: 'solo',
  objective: { kind: 'dpo', beta: 0.5, loss: 'sigmoid', labelSmoothing: 0 },
  alignment: {
    alpha: 2,
    reference: 'shared',
    distance: 'absolute',
    sides: 'two',
    detach: 'none',
    deadZone: 1e-5,
    fraction: 1,
  },
  optimizer: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 },
  schedule: { learningRate: 1e-3, schedule: 'cosine', warmupRatio: 0.1, finalLearningRateRatio: 0.1 },
  clipNorm: 1,
  microBatchTokens: 120,
  steps: 10,
};

/** Two pairs, of tokens below 50. */
export const TWO_PAIRS: readonly TrainingPair[] = [1, 2].map((salt) => ({
  short: idsBelow50(12 + 4 * salt, salt),
  long: idsBelow50(28 + 4 * salt, salt + 20),
  chosen: idsBelow50(4, salt + 30),
  rejected: idsBelow50(4, salt + 40),
  reference: { shortChosen: -18, shortRejected: -17, longChosen: -19, longRejected: -16 },
}));

export function idsBelow50(length: number, salt: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => (i * i * 7 + salt * 13 + i * 3) % 50);
}

export async function takeTenSteps(model: LanguageModel, { taken = () => {} }: { taken?: () => void } = {}) {
  const trainer = new PreferenceTrainer(model, TEN_STEPS);
  const metrics: Readonly<Record<string, number>>[] = [];
  for (let step = 0; step < 10; step++) {
    metrics.push((await trainer.takeStep(TWO_PAIRS)).metrics);
    taken();
  }
  const weights: HostTensors = await model.trained.read();
  const moments = await trainer.optimizerTensors();
  await trainer.free();
  return { metrics, weights, moments };
}

/** The greatest difference, as a part of the greatest value. @throws RangeError where lengths differ */
export function difference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length)
    throw new RangeError(`${actual.length} numbers are compared with ${expected.length}`);
  const scale = Math.max(...expected.map(Math.abs), 1e-6);
  return Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] as number)))) / scale;
}
