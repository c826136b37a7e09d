import { z } from 'zod';
import { SCOPES } from './api.ts';
import { engineSchema, runConfigSchema, runSummaryConfigSchema } from './run-config.ts';
import { RUN_STATES } from './stages.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const time = z.string().describe('ISO 8601, UTC');
const count = z.int().min(0);
const counts = z.record(z.string(), count);
const metrics = z.record(z.string(), z.number());

/** As JSON brings it: nobody changes a view. */
export type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

export const artifactViewSchema = z.object({ digest: digest.describe('SHA-256 of the content'), bytes: count });

/** Where a model's numbers come from, when they were made of fewer bits: `source` of its config.json. */
export const modelSourceSchema = z.object({
  format: z.literal('gguf'),
  file_type: z.string().max(40).describe("The publisher's name of the file's tensor types, such as Q4_1"),
  sha256: digest.describe('Of the file'),
});

export const modelViewSchema = z.object({
  digest,
  name: z.string(),
  family: z.string(),
  parameters: count,
  engines: z.array(engineSchema).describe('What can compute it: runs by another are refused'),
  source: modelSourceSchema.nullable().describe('The quantised file that it was dequantised from, if any'),
  warnings: z.array(z.string()).describe('What training or serving it would suffer from, each with what to do'),
  createdAt: time,
});

export const modelDetailsSchema = modelViewSchema.extend({
  config: z.record(z.string(), z.unknown()),
  files: z.record(z.string(), digest).describe('File name to artifact digest'),
});

export const datasetViewSchema = z.object({
  digest,
  name: z.string(),
  format: z.string(),
  examples: count,
  rejected: z
    .array(z.object({ line: z.int().min(1), reason: z.string() }))
    .describe('Lines that could not be read: line number and why. At most the first 100 are kept.'),
  rejectedCount: count,
  createdAt: time,
});

const done = {
  done: z.number().min(0),
  total: z.number().min(0),
  fraction: z.number().min(0).max(1),
};

export const stageProgressSchema = z.object({
  ...done,
  unit: z.string().describe('examples, pairs, steps or questions; chunks of a stage that is older than this record'),
  phase: z
    .string()
    .nullable()
    .describe('What a worker does now, as it last told: loading, composing, sampling, ...; null while none is at it'),
});

export const stageViewSchema = z.object({
  digest,
  kind: z.string(),
  label: z.string().describe('What the run calls it: unique within the run'),
  state: z
    .enum(['pending', 'running', 'done', 'failed', 'cancelled'])
    .describe('cancelled: the run has ended without it; other runs may still want it, and in them it goes on'),
  chunks: count,
  chunksDone: count,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  secondsPerChunk: z.number().min(0).nullable().describe('Mean of the chunks that are done'),
  progress: stageProgressSchema.describe('With what is done of the chunks that are worked on now'),
  etaSeconds: z
    .number()
    .min(0)
    .nullable()
    .describe(
      'Time left with as many workers as now, at the rate of what is done; before anything is, at the rate of the latest stages of its kind, model and context; null where that is not known, and when it is done',
    ),
  result: z.record(z.string(), z.unknown()).nullable().describe('Counts of the chunks done so far'),
});

export const RUN_WARNINGS = {
  'questions-in-both': 'evaluation questions that the training data set has too',
  'contexts-too-long':
    'contexts of more tokens than the model has positions, or tokens that they may have beyond these',
  'control-tokens': "examples whose texts have one of the model's control tokens",
  model: "what of the model's folder training or serving would suffer from",
  'exact-answers': 'answers by PyTorch or by a server, whose weights are not rounded as asked',
  'uneven-ranks': 'ranks without a pair to train on in each step, or with fewer than others',
  'few-pairs': 'examples that the held-out pairs leave for training, where they are fewer than the pairs of a step',
  'cut-answers': 'sampled answers that the limit of new tokens cut off, where they are many',
} as const;

export const runWarningSchema = z.object({
  kind: z.string().describe(
    Object.entries(RUN_WARNINGS)
      .map(([kind, meaning]) => `${kind}: ${meaning}`)
      .join('; '),
  ),
  count,
  message: z.string().describe('What was counted, and what to do'),
});

export const runViewSchema = z.object({
  id: z.string(),
  config: runConfigSchema,
  state: z.enum(RUN_STATES),
  error: z.string().nullable().describe('Why the run failed, with what to do next'),
  createdAt: time,
  finishedAt: time.nullable(),
  step: count,
  steps: count.nullable(),
  chainHead: digest
    .nullable()
    .describe('Head of the chain of step digests: equal heads mean equal data, configuration and parameters'),
  policyDigest: digest.nullable(),
  policyTokens: count,
  referenceTokens: count,
  trainSeconds: z.number().min(0).describe('Spent in gradient steps'),
  work: z
    .object({
      jobs: count.describe("Jobs of the run's stages that are done"),
      executions: count.describe('Executions begun for these stages: more than jobs where some were lost or failed'),
    })
    .describe('As recorded when it was done; a stage that runs share counts for each'),
  pairs: count.nullable(),
  leftOver: count
    .nullable()
    .describe('Of the pairs, those behind the last whole step of an epoch: each epoch leaves out others'),
  progress: z
    .object(done)
    .nullable()
    .describe('In stages, of those that the run will have had; null until its steps are planned'),
  etaSeconds: z
    .number()
    .min(0)
    .nullable()
    .describe(
      'Time left of the run; null until the rate of each kind of work that is left is known, and when it has ended',
    ),
  stages: z.array(stageViewSchema),
  warnings: z.array(runWarningSchema).describe('What its configuration, data and counts so far give reason to look at'),
});

/** As runs are listed. */
export const runSummarySchema = runViewSchema.extend({ config: runSummaryConfigSchema });

/** Where the time of training goes; what a slice does before its first step and after its last is counted as theirs. */
export const STEP_PHASES = {
  data: 'pairs from the ledger, packed into batches',
  reference: 'reading its scores, and scoring again what only another engine had scored',
  load: "the engine's start, weights and optimiser's state: at the start of a slice",
  forward: 'log-probabilities of the policy',
  loss: 'objective and metrics',
  backward: 'gradients, with what of the forward pass is computed again for them',
  optimizer: 'norm, clipping, update',
  checkpoint: "weights and optimiser's state written: at the end of a slice",
} as const;

export type StepPhase = keyof typeof STEP_PHASES;

export const stepViewSchema = z.object({
  step: z.int().min(1),
  digest,
  metrics,
  phaseSeconds: z
    .record(z.string(), z.number().min(0))
    .nullable()
    .describe(`Seconds by phase (${Object.keys(STEP_PHASES).join(', ')}); null: the step is older than this record`),
});

export const sliceViewSchema = z.object({
  step: z.int().min(1).describe('The last of the slice'),
  steps: z.int().min(1),
  seconds: z.number().min(0).describe('Of the whole job: loading, gradient steps, checkpoint'),
});

export const alignmentViewSchema = z.object({ step: count, policy: digest, metrics });

export const evaluationViewSchema = z.object({
  policy: digest,
  step: z.union([count, z.literal('base')]).describe('`base`, or the step of the policy version'),
  documents: count,
  tokens: count,
  n: count,
  correct: count,
  outcomes: z
    .string()
    .describe("One character a question, '1' right and '0' wrong, in data-set order: for paired comparisons"),
  refused: counts.describe('Questions that could not be asked, by reason'),
});

export const pairViewSchema = z.object({
  digest,
  example: z.string(),
  heldOut: z.boolean(),
  question: z.string(),
  chosen: z.string(),
  rejected: z.string().nullable().describe('Null: the pair has no rejected answer (pairing.mode samples)'),
  shortTokens: count,
  longTokens: count,
});

export const contextViewSchema = z.object({
  tokens: count,
  evidenceTokens: count,
  pieces: z
    .array(z.object({ text: z.string(), evidence: z.boolean() }))
    .describe('The whole prompt in order; evidence is what the answer follows from'),
});

const logpsSchema = z.array(z.number()).nullable().describe('One a token; null where the reference was not asked');

export const responseViewSchema = z.object({
  pieces: z.array(z.string()).describe('The text of each token'),
  logps: z.object({ short: logpsSchema, long: logpsSchema }).describe("The frozen reference's, by context"),
});

export const pairDetailsSchema = pairViewSchema.extend({
  short: contextViewSchema,
  long: contextViewSchema,
  responses: z.object({ chosen: responseViewSchema, rejected: responseViewSchema.nullable() }),
});

const share = z.number().min(0).max(1);

/** Shares of a layer's attention, mean over its heads and over the places that predict the response. */
const attentionSchema = z.object({
  evidence: share,
  rest: share.describe('The prompt but its evidence'),
  response: share.describe('What of the response is there already'),
});

export const inspectedResponseSchema = z.object({
  logps: z.array(z.number()).describe('One a token'),
  attention: z.array(attentionSchema).describe('By layer; the three add up to 1'),
});

const inspectedContextSchema = z.object({
  chosen: inspectedResponseSchema,
  rejected: inspectedResponseSchema.nullable(),
});

/** What a model makes of a pair, computed when asked: nothing of it is kept. */
export const inspectionSchema = z.object({
  policy: digest,
  step: count.describe('0: the base model, which is the reference too'),
  engine: z.string().describe('Fingerprint of the engine that computed it'),
  short: inspectedContextSchema,
  long: inspectedContextSchema,
});

export const evidencePlacesSchema = z.object({
  documents: count,
  places: z
    .array(share)
    .describe("Of each question asked, in the order of an evaluation's outcomes: mean place of its evidence, 0 first"),
});

const seconds = z.number().min(0);

/** How far a job is, as its worker last told with the renewal of its lease. */
export const jobProgressSchema = z.object({
  phase: z.string().optional().describe('What it does now'),
  done: z.number().min(0).optional(),
  total: z.number().min(0).optional(),
  unit: z.string().optional().describe('What is counted'),
  tokensPerSecond: z.number().min(0).optional(),
});

export const functionViewSchema = z.object({
  name: z.string(),
  app: z.string(),
  subject: z.string(),
  device: z.string(),
  engine: z.boolean().describe('Whether its jobs need the numeric engine, of which a worker has one'),
  computedBy: engineSchema.nullable().describe('Which engine computes the jobs of this queue; null: none'),
  priority: count.describe('Of the jobs of an app that wait, those with the lowest number are taken first'),
  timeLimitSeconds: seconds,
  maxAttempts: count,
  sequential: z.boolean().describe('The next chunk of a stage starts only when the one before it is done'),
  scale: z.object({ min: count, max: count, idleSeconds: seconds }),
  waiting: count.describe('Jobs that nobody works on'),
  working: count.describe('Jobs given to a worker and not acknowledged yet'),
  oldestSeconds: seconds.describe('Age of the oldest job; 0 without jobs'),
  chunksDone: count,
  chunksFailed: count,
  meanSeconds: seconds.nullable().describe('Of a chunk; null before the first is done'),
});

export const workerDeviceViewSchema = z.object({
  device: z.string().describe('cpu, webgpu or cuda'),
  name: z.string().nullable().describe('What the device calls itself'),
  reason: z.string().describe('Why this one'),
  allocatedBytes: count.describe('What lies on it'),
  memoryBytes: count.nullable().describe('What it has, where something says'),
  memorySettings: z
    .string()
    .nullable()
    .describe("What the engine's C library was told of memory (GLIBC_TUNABLES); null where it is told nothing"),
  toldAt: time,
});

export const heldJobViewSchema = z.object({
  kind: z.string(),
  engine: z.boolean().describe('On the numeric engine'),
  runs: z.array(z.string()).describe('The running runs that wait for it'),
  stage: digest,
  chunk: count,
  since: time,
  progress: jobProgressSchema.nullable().describe('As last told'),
});

export const workerViewSchema = z.object({
  id: z.string().describe('Host and process'),
  app: z.string().nullable(),
  jobs: count.describe('Attempts at jobs'),
  failures: count,
  firstSeen: time,
  lastSeen: time.describe('When it last took up a job'),
  working: z.array(heldJobViewSchema).describe('Jobs that it works on now: at most one on its engine'),
  device: workerDeviceViewSchema.nullable().describe('Where its engine computes; null before its first work'),
});

export const engineViewSchema = z.object({
  fingerprint: z
    .string()
    .describe('Runtime, device, precision, threads, layout, processor and, where one computes, GPU'),
  steps: count.describe('Gradient steps it took'),
  lastUsed: time,
});

export const poolViewSchema = z.object({
  name: z.string(),
  app: z.string(),
  engines: z
    .array(engineSchema)
    .describe('What its workers compute with: runs by another engine are not given to them'),
  ranks: z
    .int()
    .min(1)
    .describe('Processes on a machine over which PyTorch scores and trains; several draw no answers'),
  nodes: z.int().min(1).describe('Machines with so many ranks each'),
  sequenceRanks: z.int().min(1).describe('Of all its ranks, how many share each sequence'),
});

export const streamViewSchema = z.object({ name: z.string(), messages: count, bytes: count, maxBytes: z.int() });

export const systemViewSchema = z.object({
  functions: z.array(functionViewSchema).describe('By app, in the order in which their jobs are taken'),
  pools: z.array(poolViewSchema).describe('The workers that there are or may be'),
  streams: z.array(streamViewSchema),
  outbox: z.object({ unpublished: count, oldestSeconds: seconds }),
  workers: z.array(workerViewSchema).describe('Those that took up a job lately, latest first'),
  engines: z.array(engineViewSchema),
});

export const policyManifestSchema = z.object({
  run: z.string(),
  step: count,
  kind: z.enum(['model', 'adapter']).describe('A Hugging Face model folder, or a PEFT adapter folder'),
  baseModel: digest.describe('Of the registered model that training began with: an adapter belongs to it'),
  warnings: z.array(z.string()).describe('Of the base model, whose tokenizer and chat template the policy has'),
  files: z.array(
    z.object({
      name: z.string(),
      digest,
      bytes: count,
      content: z.string().nullable().describe('Of a generated file; null: fetch it from /v1/artifacts/{digest}'),
    }),
  ),
});

export const verificationSchema = z.object({
  ok: z.boolean(),
  checks: z.array(
    z.object({ name: z.string(), ok: z.boolean(), detail: z.string().describe('What was compared, or what is wrong') }),
  ),
});

export const REPLAY_OUTCOMES = ['equal', 'differs', 'other-engine', 'unreadable'] as const;

export const replayedSliceSchema = z.object({
  slice: count.describe('From 0'),
  from: z.int().min(1).describe('Its first step'),
  to: z.int().min(1).describe('Its last step'),
  outcome: z
    .enum(REPLAY_OUTCOMES)
    .describe(
      'equal: the same parameters, state of the optimiser and chain. differs: an engine of the same fingerprint came to something else, so what was recorded is not what training gives. other-engine: other numbers, by an engine of another fingerprint, which need not give the same: replay it where the recorded one runs. unreadable: the checkpoint that it starts from is damaged or lost',
    ),
  recordedBy: z.string().nullable().describe('Fingerprint of the engine that took it for the run'),
  replayedBy: z.string().nullable().describe('Fingerprint of the engine that took it once more; null where none did'),
  detail: z.string(),
});

export const replayViewSchema = z.object({
  id: z.string(),
  run: z.string(),
  seed: z.int().describe('The slices were drawn with it'),
  slices: z.array(count).describe('By number, from 0'),
  state: z.enum(['pending', 'running', 'done', 'failed']),
  error: z.string().nullable().describe('Why it failed: a dead letter has more'),
  ok: z.boolean().nullable().describe('No slice differs or is unreadable; null while not all are replayed'),
  replayed: z.array(replayedSliceSchema),
  createdAt: time,
});

export const garbageSchema = z.object({
  dryRun: z.boolean(),
  unneeded: count.describe('Artifacts that nothing refers to: removed, unless it was a dry run'),
  bytes: count.describe('Of them'),
  fresh: count.describe('Artifacts that nothing refers to yet, stored too lately to be removed'),
  referenced: count.describe('Artifacts that models, checkpoints or policies are'),
});

export const signingKeyViewSchema = z.object({
  keyid: digest.describe("SHA-256 of the key's SubjectPublicKeyInfo"),
  publicKey: z.string().describe('Ed25519, PEM'),
});

export const tokenViewSchema = z.object({
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: time,
  lastUsedAt: time.nullable().describe('To the minute'),
  revokedAt: time.nullable(),
});

export const issuedTokenSchema = tokenViewSchema.extend({
  token: z.string().describe('Shown this once; only its hash is kept'),
});

export const deadLetterViewSchema = z.object({
  id: count,
  subject: z.string(),
  job: z.unknown(),
  reason: z.string(),
  code: z.string(),
  attempts: count,
  createdAt: time,
  retriedAt: time.nullable(),
});

export const retriedSchema = z.object({ runs: z.array(z.string()).describe('The runs that go on') });

/** RFC 9457. */
export const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('What is wrong, and what to do next'),
  instance: z.string(),
  code: z.string().describe('Stable: tell problems apart by it'),
  errors: z
    .array(z.object({ path: z.string(), reason: z.string() }))
    .optional()
    .describe('Every fault of a refused body or query'),
});

export type ArtifactView = Frozen<z.infer<typeof artifactViewSchema>>;
export type ModelSource = Frozen<z.infer<typeof modelSourceSchema>>;
export type ModelView = Frozen<z.infer<typeof modelViewSchema>>;
export type ModelDetails = Frozen<z.infer<typeof modelDetailsSchema>>;
export type DatasetView = Frozen<z.infer<typeof datasetViewSchema>>;
export type JobProgress = Frozen<z.infer<typeof jobProgressSchema>>;
export type StageProgress = Frozen<z.infer<typeof stageProgressSchema>>;
export type StageView = Frozen<z.infer<typeof stageViewSchema>>;
export type RunSummary = Frozen<z.infer<typeof runSummarySchema>>;
export type RunView = Frozen<Omit<z.infer<typeof runViewSchema>, 'config'>> & {
  readonly config: z.infer<typeof runConfigSchema>;
};
export type RunWarning = Frozen<z.infer<typeof runWarningSchema>> & { readonly kind: keyof typeof RUN_WARNINGS };
export type StepView = Frozen<z.infer<typeof stepViewSchema>>;
export type SliceView = Frozen<z.infer<typeof sliceViewSchema>>;
export type AlignmentView = Frozen<z.infer<typeof alignmentViewSchema>>;
export type EvaluationView = Frozen<z.infer<typeof evaluationViewSchema>>;
export type PairView = Frozen<z.infer<typeof pairViewSchema>>;
export type ResponseView = Frozen<z.infer<typeof responseViewSchema>>;
export type ContextView = Frozen<z.infer<typeof contextViewSchema>>;
export type PairDetails = Frozen<z.infer<typeof pairDetailsSchema>>;
export type PolicyManifest = Frozen<z.infer<typeof policyManifestSchema>>;
export type Verification = Frozen<z.infer<typeof verificationSchema>>;
export type ReplayedSlice = Frozen<z.infer<typeof replayedSliceSchema>>;
export type ReplayView = Frozen<z.infer<typeof replayViewSchema>>;
export type Garbage = Frozen<z.infer<typeof garbageSchema>>;
export type SigningKeyView = Frozen<z.infer<typeof signingKeyViewSchema>>;
export type TokenView = Frozen<z.infer<typeof tokenViewSchema>>;
export type IssuedToken = Frozen<z.infer<typeof issuedTokenSchema>>;
export type DeadLetterView = Frozen<z.infer<typeof deadLetterViewSchema>>;
export type Retried = Frozen<z.infer<typeof retriedSchema>>;
export type Inspection = Frozen<z.infer<typeof inspectionSchema>>;
export type EvidencePlaces = Frozen<z.infer<typeof evidencePlacesSchema>>;
export type HeldJobView = Frozen<z.infer<typeof heldJobViewSchema>>;
export type FunctionView = Frozen<z.infer<typeof functionViewSchema>>;
export type WorkerView = Frozen<z.infer<typeof workerViewSchema>>;
export type EngineView = Frozen<z.infer<typeof engineViewSchema>>;
export type SystemView = Frozen<z.infer<typeof systemViewSchema>>;
