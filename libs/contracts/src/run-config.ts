import { z } from 'zod';

/** How an example becomes a prompt. `{title}`, `{text}`, `{documents}`, `{question}` are replaced. */
export const promptSchema = z.strictObject({
  system: z.string().optional(),
  document: z.string().includes('{text}').default('{title}\n{text}'),
  separator: z.string().default('\n\n'),
  user: z
    .string()
    .includes('{documents}')
    .includes('{question}')
    .default('Answer the question from the documents.\n\n{documents}\n\nQuestion: {question}'),
});

export const contextsSchema = z.strictObject({
  /** x_short: the relevant documents and this many distractors. */
  short: z.strictObject({ distractors: z.int().min(0).max(1000).default(0) }).prefault({}),
  /** x_long: the documents of x_short and more distractors, shuffled, up to a number of documents or of tokens (of the whole prompt). */
  long: z.union([
    z.strictObject({ documents: z.int().min(1).max(100_000) }),
    z.strictObject({ maxTokens: z.int().min(16).max(1_000_000) }),
  ]),
});

export const samplingSchema = z.strictObject({
  samplesPerContext: z.int().min(1).max(256).default(8),
  temperature: z.number().min(0).max(10).default(0.85),
  topP: z.number().gt(0).max(1).default(1),
  maxNewTokens: z.int().min(1).max(32_768).default(64),
});

export const judgeSchema = z.enum(['sub-em', 'exact']);

export const pairingSchema = z.strictObject({
  /** `sampled`: a right and a wrong sample. `gold-chosen`: the gold answer against a sampled wrong one. */
  mode: z.enum(['sampled', 'gold-chosen']).default('sampled'),
  judge: judgeSchema.default('sub-em'),
  /** Training pairs kept, in data-set order, after the held-out ones are set aside. */
  maxPairs: z.int().min(1).default(5000),
  /** Pairs set aside for the alignment metrics, never trained on: the first pairs of the data set. */
  heldOutPairs: z.int().min(0).default(64),
});

export const ARMS = ['short', 'expand-long', 'solo'] as const;

export const objectiveSchema = z.strictObject({
  kind: z.literal('dpo').default('dpo'),
  beta: z.number().gt(0).max(100).default(0.1),
});

export const alignmentSchema = z.strictObject({
  alpha: z.number().min(0).max(1000).default(1),
  reference: z.enum(['shared', 'per-context']).default('shared'),
  detach: z.enum(['none', 'short']).default('short'),
  /** Gaps up to deadZone * beta * tokens count as 0. */
  deadZone: z.number().min(0).max(1).default(1e-5),
});

export const trainingSchema = z.strictObject({
  epochs: z.int().min(1).max(1000).default(1),
  /** Ends training early; the schedule is laid over the steps actually taken. */
  maxSteps: z.int().min(1).optional(),
  pairsPerStep: z.int().min(1).max(65_536).default(16),
  learningRate: z.number().gt(0).max(1).default(1e-6),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('cosine'),
  warmupRatio: z.number().min(0).max(1).default(0.1),
  /** Where the schedule ends, as a fraction of the learning rate. */
  finalLearningRateRatio: z.number().min(0).max(1).default(0.1),
  clipNorm: z.number().gt(0).default(1),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
  epsilon: z.number().gt(0).default(1e-8),
  weightDecay: z.number().min(0).max(1).default(0),
  /** A slice is one job: so many steps, then a checkpoint. */
  stepsPerSlice: z.int().min(1).default(25),
  /** Rows are run in micro-batches of at most this many (padded) tokens; changes memory, not results beyond rounding. */
  microBatchTokens: z.int().min(1).default(8192),
});

export const evaluationSchema = z.strictObject({
  /** A held-out data set, by name or digest. */
  dataset: z.string().min(1),
  /** Context lengths, in documents. */
  documents: z.array(z.int().min(1)).min(1).max(64),
  /** Questions a length; all of the data set when absent. */
  questions: z.int().min(1).optional(),
  judge: judgeSchema.default('sub-em'),
  maxNewTokens: z.int().min(1).max(32_768).default(64),
});

/** Everything that decides a run's result. Unknown keys are refused. */
export const runConfigSchema = z.strictObject({
  name: z.string().min(1).max(200),
  /** A registered model, by name or digest: the policy's start and, frozen, the reference. */
  model: z.string().min(1),
  /** The training data set, by name or digest. */
  dataset: z.string().min(1),
  seed: z.int().min(0).max(0xffff_ffff).default(0),
  arm: z.enum(ARMS).default('solo'),
  objective: objectiveSchema.prefault({}),
  alignment: alignmentSchema.prefault({}),
  prompt: promptSchema.prefault({}),
  contexts: contextsSchema,
  sampling: samplingSchema.prefault({}),
  pairing: pairingSchema.prefault({}),
  training: trainingSchema.prefault({}),
  evaluation: evaluationSchema.nullable().default(null),
});

export type RunConfig = z.infer<typeof runConfigSchema>;
export type RunConfigInput = z.input<typeof runConfigSchema>;
export type PromptConfig = z.infer<typeof promptSchema>;
export type ContextsConfig = z.infer<typeof contextsSchema>;
export type SamplingConfig = z.infer<typeof samplingSchema>;
export type PairingConfig = z.infer<typeof pairingSchema>;
export type Judge = z.infer<typeof judgeSchema>;
export type AlignmentConfig = z.infer<typeof alignmentSchema>;
export type ObjectiveConfig = z.infer<typeof objectiveSchema>;
export type TrainingConfig = z.infer<typeof trainingSchema>;
export type EvaluationConfig = z.infer<typeof evaluationSchema>;
export type Arm = (typeof ARMS)[number];
