import { readFileSync } from 'node:fs';
import type { Row } from '@solopo/objectives';
import {
  LanguageModel,
  loraParameters,
  modelParameters,
  PreferenceTrainer,
  readSafetensors,
  scoreTrees,
  sumOf,
  type Adapter,
  type LanguageModelOptions,
  type PreferenceOptions,
  type Runtime,
  type TrainingPair,
} from '../index.ts';
import { farthest, fixture, worstGradient } from './family-differences.fixture.ts';
import { digestOf, referenceNear, type ReferenceModel } from './reference-models.fixture.ts';
import {
  CURVE_STEPS,
  curveModel,
  CURVES,
  PAIR_CASES,
  PAIRS_A_CASE,
  PAIRS_A_STEP,
  pairsModel,
  PAIRS_REFERENCE_SHARE,
  referencePairs,
  withReference,
} from './reference-pairs.fixture.ts';

export type Trained = 'full' | 'lora';
type Metrics = Readonly<Record<string, number>>;

/** What tools/parity/pairs.py got from PyTorch, PEFT and TRL's losses. */
interface Expected {
  readonly digest: string;
  readonly cases: Readonly<Record<string, Readonly<Record<Trained, Metrics>>>>;
  readonly curves: Readonly<Record<string, { readonly steps: readonly Metrics[]; readonly weights: Metrics }>>;
}

const expected = JSON.parse(readFileSync(fixture('pairs.json'), 'utf8')) as Expected;
const gradients = readSafetensors(fixture('pairs.safetensors')).tensors;

export interface CaseDifferences {
  /** Of everything that is logged, by name. */
  readonly metrics: Metrics;
  /** Norm of the difference over the norm, of the tensor where it is greatest. */
  readonly gradients: number;
}

/** One step of the trainer itself. With a first beta of 0 its first moments are the gradients. */
export async function caseDifferences(
  runtime: Runtime,
  name: string,
  trained: Trained,
  options: LanguageModelOptions & { readonly microBatchTokens?: number } = {},
): Promise<CaseDifferences> {
  const { microBatchTokens = 100_000, ...modelOptions } = options;
  const reference = pairsModel();
  if (expected.digest !== digestOf(new Map([...reference.weights, ...reference.adapter])))
    throw new Error('the fixture is of another model; make it again as tools/parity/README.md says');
  const objective = PAIR_CASES[name]!;
  const pairs = await scoredPairs(runtime, reference, trained, referencePairs(PAIRS_A_CASE), objective);
  const step: PreferenceOptions = {
    ...objective,
    optimizer: { betas: [0, 0.9], epsilon: 1e-8, weightDecay: 0 },
    schedule: { learningRate: 1e-3, schedule: 'constant', warmupRatio: 0, finalLearningRateRatio: 1 },
    clipNorm: 1e9,
    microBatchTokens,
    steps: 1,
  };
  const policy = policyOf(runtime, reference, trained, modelOptions);
  const trainer = new PreferenceTrainer(policy, step, undefined, frozenOf(runtime, reference, trained));
  const { metrics } = await trainer.takeStep(pairs);
  const moments = await trainer.optimizerTensors();
  const parameters =
    trained === 'full' ? modelParameters(reference.config) : loraParameters(reference.config, reference.lora);
  const own = new Map(parameters.map(([parameter]) => [parameter, moments.get(`m.${parameter}`)!.data]));
  return {
    metrics: differences(metrics, expected.cases[name]![trained]),
    gradients: worstGradient(own, gradients.get(`${name}/${trained}`)),
  };
}

export interface CurveDifferences {
  /** Of everything that is logged, the greatest over the steps. */
  readonly metrics: Metrics;
  /** Of the norms of the weights after the last step, relative. */
  readonly weights: number;
  readonly losses: readonly number[];
}

export async function curveDifferences(runtime: Runtime, name: string): Promise<CurveDifferences> {
  const { model: modelName, trained, options } = CURVES[name]!;
  const reference = curveModel(modelName);
  const pairs = await scoredPairs(runtime, reference, trained, referencePairs(CURVE_STEPS * PAIRS_A_STEP), options);
  const policy = policyOf(runtime, reference, trained);
  const trainer = new PreferenceTrainer(policy, options, undefined, frozenOf(runtime, reference, trained));
  const { steps, weights } = expected.curves[name]!;
  const metrics: Record<string, number> = {};
  const losses: number[] = [];
  for (const [index, step] of steps.entries()) {
    const own = await trainer.takeStep(pairs.slice(index * PAIRS_A_STEP, (index + 1) * PAIRS_A_STEP));
    losses.push(own.metrics['loss']!);
    for (const [key, difference] of Object.entries(differences(own.metrics, step)))
      metrics[key] = Math.max(metrics[key] ?? 0, difference);
  }
  const norms = [...policy.trainable].map(([parameter, { data }]) => {
    const norm = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
    return norm / weights[parameter]!;
  });
  return {
    metrics,
    weights: farthest(
      norms,
      norms.map(() => 1),
    ),
    losses,
  };
}

function policyOf(
  runtime: Runtime,
  { config, weights, lora, adapter }: ReferenceModel,
  trained: Trained,
  options: LanguageModelOptions = {},
): LanguageModel {
  const own: Adapter | null = trained === 'lora' ? { options: lora, weights: adapter } : null;
  return new LanguageModel(config, weights, runtime, own, options);
}

/** The frozen reference: a model near a full policy, an adapter's base. */
function frozenOf(runtime: Runtime, { config, weights }: ReferenceModel, trained: Trained): LanguageModel {
  const frozen = trained === 'full' ? referenceNear(weights, PAIRS_REFERENCE_SHARE) : weights;
  return new LanguageModel(config, frozen, runtime);
}

/** The pairs with the log-probabilities of the frozen reference. */
async function scoredPairs(
  runtime: Runtime,
  reference: ReferenceModel,
  trained: Trained,
  pairs: ReturnType<typeof referencePairs>,
  { alignment }: Pick<PreferenceOptions, 'alignment'>,
): Promise<TrainingPair[]> {
  const model = frozenOf(runtime, reference, trained);
  const trees = pairs.flatMap(({ short, long, chosen, rejected }) =>
    [short, long].map((prompt) => ({ prompt, branches: [chosen, rejected] })),
  );
  const scores = await scoreTrees(model, trees, { batchTokens: 1000 });
  const rows: readonly (readonly [Row, number, number])[] = [
    ['shortChosen', 0, 0],
    ['shortRejected', 0, 1],
    ['longChosen', 1, 0],
    ['longRejected', 1, 1],
  ];
  return pairs.map((pair, i) => {
    const sums = Object.fromEntries(rows.map(([row, tree, branch]) => [row, sumOf(scores[2 * i + tree]![branch]!)]));
    return withReference(pair, sums, alignment);
  });
}

/** Absolute; of the gradient's norm, which has no scale of its own, relative. */
function differences(own: Metrics, theirs: Metrics): Metrics {
  return Object.fromEntries(
    Object.entries(theirs).map(([name, value]) => [
      name,
      Math.abs((own[name] ?? NaN) - value) / (name === 'grad_norm' ? value : 1),
    ]),
  );
}
