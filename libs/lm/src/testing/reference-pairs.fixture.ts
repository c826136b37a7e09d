import type { AlignmentOptions, Arm, Objective, ObjectiveOptions } from '@solopo/objectives';
import { parseModelConfig, type PreferenceOptions, type TrainingPair } from '../index.ts';
import {
  referenceAdapter,
  referenceIds,
  referenceLora,
  referenceModel,
  referenceWeights,
  type ReferenceModel,
} from './reference-models.fixture.ts';

/** Smaller still than the other reference models: every case keeps the gradient of all its weights. */
export const PAIRS_MODEL = {
  model_type: 'qwen2',
  vocab_size: 24,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 10,
  max_position_embeddings: 64,
  rope_theta: 100,
  tie_word_embeddings: true,
};

export function pairsModel(): ReferenceModel {
  const config = parseModelConfig(PAIRS_MODEL);
  const lora = referenceLora('pairs');
  return { name: 'pairs', config, weights: referenceWeights(config), lora, adapter: referenceAdapter(config, lora) };
}

/** How far the frozen reference is from a full policy, so that the alignment's gaps are not 0; an adapter's is its base. */
export const PAIRS_REFERENCE_SHARE = 0.08;

export interface ReferencePair {
  readonly short: Int32Array;
  readonly long: Int32Array;
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
  readonly aligned: boolean;
}

export function referencePairs(count: number): readonly ReferencePair[] {
  const ids = (length: number, salt: number) => referenceIds(length, salt).map((id) => 1 + (id % 23));
  return Array.from({ length: count }, (_, i) => ({
    short: ids(5 + ((3 * i) % 5), 7 * i),
    long: ids(14 + ((5 * i) % 7), 7 * i + 1),
    chosen: ids(2 + (i % 4), 7 * i + 2),
    rejected: ids(2 + ((3 * i + 1) % 4), 7 * i + 3),
    aligned: i % 2 === 0,
  }));
}

export const withReference = (
  { short, long, chosen, rejected, aligned }: ReferencePair,
  reference: TrainingPair['reference'],
  { fraction }: Pick<AlignmentOptions, 'fraction'>,
): TrainingPair => ({ short, long, chosen, rejected, reference, aligned: aligned || fraction === 1 });

const DPO: Objective = { kind: 'dpo', beta: 0.3, loss: 'sigmoid', labelSmoothing: 0 };
const SIMPO: Objective = { kind: 'simpo', beta: 2.5, gamma: 1 };
const ORPO: Objective = { kind: 'orpo', beta: 0.4, nllWeight: 1, nll: 'response' };

const of = (arm: Arm, objective: Objective, changes: Partial<AlignmentOptions> = {}): ObjectiveOptions => ({
  arm,
  objective,
  alignment: {
    alpha: 1.5,
    reference: 'shared',
    distance: 'absolute',
    sides: 'two',
    detach: 'none',
    deadZone: 1e-5,
    fraction: 1,
    ...changes,
  },
});

/** Every arm with DPO, every objective with alignment, and the alignment's options. */
export const PAIR_CASES: Readonly<Record<string, ObjectiveOptions>> = {
  'sft, short': of('sft', { kind: 'sft', context: 'short' }),
  'sft, long': of('sft', { kind: 'sft', context: 'long' }),
  'dpo, short': of('short', DPO),
  'dpo, long': of('long', DPO),
  'dpo, expand-long': of('expand-long', DPO),
  'dpo, solo': of('solo', DPO),
  'dpo, solo-both': of('solo-both', DPO),
  'dpo with smoothed labels, solo': of('solo', { ...DPO, labelSmoothing: 0.2 }),
  'ipo, solo': of('solo', { ...DPO, loss: 'ipo' }),
  'hinge, solo': of('solo', { ...DPO, loss: 'hinge' }),
  'simpo, solo': of('solo', SIMPO),
  'orpo, solo': of('solo', ORPO),
  'orpo with the prompt, solo-both': of('solo-both', { ...ORPO, nll: 'all' }),
  'dpo, references of their own': of('solo-both', DPO, { reference: 'per-context' }),
  'dpo, squared, short detached': of('solo-both', DPO, { distance: 'squared', detach: 'short' }),
  'simpo, smooth-l1, one side': of('solo-both', SIMPO, { distance: 'smooth-l1', sides: 'one' }),
  'dpo, a fraction': of('solo', DPO, { fraction: 0.5 }),
  distil: of('distil', { kind: 'distil' }),
  'dpo, gradient of the tail': of('solo', DPO, { backward: { tail: 6 } }),
  'simpo, gradient of the response': of('solo-both', SIMPO, { backward: 'response', detach: 'short' }),
};
export const PAIRS_A_CASE = 4;

export const CURVE_STEPS = 10;
export const PAIRS_A_STEP = 4;

/** Ten steps of AdamW with clipping and a schedule. */
export const CURVES: Readonly<
  Record<
    string,
    { readonly model: 'pairs' | 'gemma3'; readonly trained: 'full' | 'lora'; readonly options: PreferenceOptions }
  >
> = {
  'dpo, solo': curve('pairs', 'full', of('solo', DPO), 'cosine'),
  'dpo, solo, adapter': curve('pairs', 'lora', of('solo', DPO), 'linear'),
  'simpo, solo-both': curve('pairs', 'full', of('solo-both', SIMPO), 'constant-then-linear'),
  'orpo, solo, adapter': curve('pairs', 'lora', of('solo', ORPO), 'cosine'),
  'gemma3: dpo, solo': curve('gemma3', 'full', of('solo', DPO), 'cosine'),
  'gemma3: distil': curve('gemma3', 'full', of('distil', { kind: 'distil' }), 'cosine'),
  'gemma3: dpo, solo, gradient of the tail': curve(
    'gemma3',
    'full',
    of('solo', DPO, { backward: { tail: 5 } }),
    'linear',
  ),
};

function curve(
  model: 'pairs' | 'gemma3',
  trained: 'full' | 'lora',
  objective: ObjectiveOptions,
  schedule: PreferenceOptions['schedule']['schedule'],
) {
  const options: PreferenceOptions = {
    ...objective,
    optimizer: { betas: [0.9, 0.98], epsilon: 1e-6, weightDecay: 0.05 },
    schedule: {
      learningRate: trained === 'full' ? 0.004 : 0.01,
      schedule,
      warmupRatio: 0.2,
      finalLearningRateRatio: 0.1,
    },
    clipNorm: 1,
    microBatchTokens: 100,
    steps: CURVE_STEPS,
  };
  return { model, trained, options };
}

export const curveModel = (name: 'pairs' | 'gemma3'): ReferenceModel =>
  name === 'pairs' ? pairsModel() : referenceModel(name);
