import { z } from 'zod';
import type { EngineKind } from './engines.ts';
import {
  adapterSchema,
  alignmentBackwardSchema,
  alignmentSchema,
  ARMS,
  beyondPositionsSchema,
  contextsSchema,
  controlTokensSchema,
  cutAnswersSchema,
  engineSchema,
  frozenWeightsSchema,
  judgeSchema,
  normalizationSchema,
  objectiveSchema,
  pairingSchema,
  precisionSchema,
  promptSchema,
  samplerSchema,
  samplingSchema,
  samplingWeightsSchema,
  trainingSchema,
} from './run-config.ts';
import { UNSTORABLE, unstorableTexts } from './text.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 digest');
/** Absent where it is float32, so that work named before there were others keeps its name. */
const lowerFormat = frozenWeightsSchema.exclude(['float32']).optional();
/** What computes, and in what. Absent where it is onnxruntime and float32, which was all there was when the first stages were recorded. */
const computedBy = {
  engine: engineSchema.exclude(['onnx']).optional(),
  precision: precisionSchema.exclude(['float32']).optional(),
};
/** Who answers. Absent where it is the engine, which was all there was when the first stages were recorded. */
const sampler = samplerSchema.omit({ adapters: true }).optional();
/** Control tokens are tokens where that is absent, as it is where they are. */
const prompt = promptSchema.extend({ controlTokens: controlTokensSchema.optional() });
/** Absent where it is none, which was all there was when the first stages were recorded. */
const normalization = normalizationSchema.optional();
/** `backward` is absent where it is full, which was all there was when the first stages were recorded. */
const alignment = alignmentSchema.extend({ backward: alignmentBackwardSchema.optional() });

/**
 * A stage is a piece of work named by what it reads: its identity is the digest of its specification. Runs that need
 * the same work share the stage, so nothing is composed, sampled, scored or evaluated twice. `train` and `align`
 * belong to one run. A stage is done chunk by chunk; a chunk is one job.
 */
export const stageSpecSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('compose'),
    dataset: digest,
    /** Whose tokenizer and chat template. */
    model: digest,
    prompt,
    /** Contexts are kept where that is absent, as it is where they are. */
    contexts: contextsSchema.extend({ beyondPositions: beyondPositionsSchema.optional() }),
    seed: z.int(),
  }),
  z.strictObject({
    kind: z.literal('sample'),
    compose: digest,
    model: digest,
    sampling: samplingSchema,
    seed: z.int(),
    sampler,
    ...computedBy,
  }),
  z.strictObject({
    kind: z.literal('pair'),
    sample: digest,
    pairing: pairingSchema.extend({
      normalization,
      /** Absent in stages recorded before there was a choice: cut answers were chosen, and ended as if they had not been cut. */
      cutAnswers: cutAnswersSchema.optional(),
    }),
  }),
  /** Log-probabilities of both responses of each pair of a split under one kind of context, by the frozen reference. */
  z.strictObject({
    kind: z.literal('score'),
    pair: digest,
    model: digest,
    split: z.enum(['training', 'held-out']),
    context: z.enum(['short', 'long']),
    frozenWeights: lowerFormat,
    ...computedBy,
  }),
  z.strictObject({
    kind: z.literal('train'),
    run: z.string(),
    pair: digest,
    model: digest,
    arm: z.enum(ARMS),
    objective: objectiveSchema,
    alignment,
    adapter: adapterSchema.nullable(),
    frozenWeights: lowerFormat,
    ...computedBy,
    training: trainingSchema,
    seed: z.int(),
  }),
  /** Alignment metrics of one policy version on the held-out pairs. `step` 0 is the base model. */
  z.strictObject({
    kind: z.literal('align'),
    run: z.string(),
    step: z.int().min(0),
    policy: digest,
    model: digest,
    adapter: adapterSchema.nullable(),
    frozenWeights: lowerFormat,
    ...computedBy,
    pair: digest,
    objective: objectiveSchema,
    alignment,
  }),
  z.strictObject({
    kind: z.literal('evaluate'),
    /** A model's digest, or the digest of a policy version's weights or adapter, with the model it started from. */
    policy: digest,
    model: digest,
    adapter: adapterSchema.nullable(),
    dataset: digest,
    prompt,
    documents: z.int(),
    questions: z.int().optional(),
    judge: judgeSchema,
    normalization,
    maxNewTokens: z.int(),
    /** Absent for float32, so that what was evaluated before there were others keeps its name. */
    weights: samplingWeightsSchema.exclude(['float32']).optional(),
    seed: z.int(),
    sampler,
    ...computedBy,
  }),
  /** Slices of a run's training taken once more, to be held against what was recorded. No run wants it, and it leaves no evidence. */
  z.strictObject({
    kind: z.literal('replay'),
    /** Its own: the same slices are taken again each time that somebody asks. */
    id: z.string(),
    run: z.string(),
    train: digest,
    /** By number, from 0; a job each. */
    slices: z.array(z.int().min(0)).min(1),
    /** That they were drawn with. */
    seed: z.int(),
    ...computedBy,
  }),
]);

export type StageSpec = z.infer<typeof stageSpecSchema>;
export type StageKind = StageSpec['kind'];
export type StageSpecOf<K extends StageKind> = Extract<StageSpec, { kind: K }>;

/** What computes a stage. */
export function engineOf(spec: StageSpec): EngineKind {
  return ('engine' in spec ? spec.engine : undefined) ?? 'onnx';
}

/** What a job does with its items, and what they are: as its progress names them. */
export const STAGE_WORK = {
  compose: { phase: 'composing', unit: 'examples' },
  sample: { phase: 'sampling', unit: 'examples' },
  pair: { phase: 'judging', unit: 'examples' },
  score: { phase: 'scoring', unit: 'pairs' },
  train: { phase: 'training', unit: 'steps' },
  align: { phase: 'measuring', unit: 'pairs' },
  evaluate: { phase: 'evaluating', unit: 'questions' },
  replay: { phase: 'replaying', unit: 'steps' },
} as const satisfies Record<StageKind, { readonly phase: string; readonly unit: string }>;

/** What travels on a work queue: references only, the ledger holds the rest. */
export const jobSchema = z.strictObject({
  /** Also the message id. A deliberate retry gets a new one. */
  id: z
    .string()
    .min(1)
    .refine((id) => unstorableTexts(id).next().done === true, UNSTORABLE),
  stage: digest,
  chunk: z.int().min(0),
});

export type Job = z.infer<typeof jobSchema>;

export const RUN_STATES = ['running', 'succeeded', 'failed', 'cancelled'] as const;
export type RunState = (typeof RUN_STATES)[number];
