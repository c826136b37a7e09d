import { z } from 'zod';
import { ENGINES, PRECISIONS } from './engines.ts';

/** Of examples, pairs and steps: what is counted up from them stays below the ledger's 32 bits. */
const MAX_ITEMS = 1_000_000;

export const controlTokensSchema = z.enum(['tokens', 'text']);

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
  /**
   * What a control token of the model (`<|im_end|>`, `<eos>`) in a question or a document becomes: that token, or the tokens
   * of its characters (`sanitize_control_tokens` of transformers).
   */
  controlTokens: controlTokensSchema.default('tokens'),
});

export const beyondPositionsSchema = z.enum(['keep', 'refuse']);

export const contextsSchema = z.strictObject({
  /** x_short: the relevant documents and this many distractors. */
  short: z.strictObject({ distractors: z.int().min(0).max(1000).default(0) }).prefault({}),
  /** x_long: the documents of x_short and more distractors, shuffled, up to a number of documents or of tokens (of the whole prompt). */
  long: z.union([
    z.strictObject({ documents: z.int().min(1).max(100_000) }),
    z.strictObject({ maxTokens: z.int().min(16).max(1_000_000) }),
  ]),
  /** Contexts of more tokens than the model has positions: counted and warned of, or refused. */
  beyondPositions: beyondPositionsSchema.default('keep'),
});

/**
 * How the model's matrices are kept while it answers: int8 with a scale an output, int4 with one for each 32 neighbouring weights; rows
 * are then rounded to 8 bits in products. Scores and training read the exact weights. A GPU, and a processor that cannot sum 8-bit
 * products exactly, answer with float32; which it was stands with the stage's result.
 */
export const samplingWeightsSchema = z.enum(['float32', 'int8', 'int4']);

export const samplingSchema = z.strictObject({
  /** The contexts that answers are sampled on. */
  on: z.enum(['short', 'long']).default('short'),
  samplesPerContext: z.int().min(1).max(256).default(8),
  temperature: z.number().min(0).max(10).default(0.85),
  topP: z.number().gt(0).max(1).default(1),
  maxNewTokens: z.int().min(1).max(32_768).default(64),
  weights: samplingWeightsSchema.default('float32'),
});

/** The address of an OpenAI-compatible server, with or without `/v1` at its end. A key for it is the workers' to have. */
export const samplerUrlSchema = z
  .url({ protocol: /^https?$/, error: 'must be the http or https address of a server' })
  .max(2000)
  .refine((url) => !/[?#@]/.test(url), {
    error: 'has no user, query or fragment; a key for the server is set where workers are (SOLOPO_SAMPLERS)',
  })
  .overwrite((url) => url.replace(/\/+$/, '').replace(/\/v1$/, '').replace(/\/+$/, ''));

/** Who answers in place of the run's engine: vLLM, SGLang, llama.cpp's server, or another that speaks OpenAI's protocol. */
export const samplerSchema = z.strictObject({
  /** One of those that workers may ask (SOLOPO_SAMPLERS). */
  url: samplerUrlSchema,
  /** The run's model, by the server's name for it. Without it, the only one that the server has. */
  model: z.string().min(1).max(200).optional(),
  /**
   * `vllm`: policies are loaded there as LoRA adapters, and evaluations are answered by the server too. `none`: the server answers for the
   * base model, on which samples are drawn; evaluations compute with the run's engine.
   */
  adapters: z.enum(['vllm', 'none']).default('none'),
  /**
   * `logps`: before the server answers for a model or a policy, its log-probabilities of some tokens are held to those of the run's
   * engine. `none`: they are not, as where no worker has room for the model, or the server's weights are rounded.
   */
  check: z.enum(['logps', 'none']).default('logps'),
});

export const judgeSchema = z.enum(['sub-em', 'exact']);

/** What judges leave out of both texts: case, punctuation and articles, as HotpotQA's own evaluation does, or nothing but white space. */
export const normalizationSchema = z.enum(['hotpotqa', 'none']);

export const cutAnswersSchema = z.enum(['refuse', 'keep']);

export const pairingSchema = z.strictObject({
  /**
   * `sampled`: a right and a wrong sample. `gold-chosen`: the gold answer against a sampled wrong one. `samples`: one of the samples,
   * right or wrong, and no rejected answer; what the distil arm trains on, and it alone.
   */
  mode: z.enum(['sampled', 'gold-chosen', 'samples']).default('sampled'),
  judge: judgeSchema.default('sub-em'),
  normalization: normalizationSchema.default('hotpotqa'),
  /** Whether a sample that `sampling.maxNewTokens` cut off may be the chosen answer. */
  cutAnswers: cutAnswersSchema.default('refuse'),
  /** Training pairs kept, in data-set order, after the held-out ones are set aside. */
  maxPairs: z.int().min(1).max(MAX_ITEMS).default(5000),
  /** Pairs set aside for the alignment metrics, never trained on: the first pairs of the data set. */
  heldOutPairs: z.int().min(0).max(MAX_ITEMS).default(64),
});

export const ARMS = ['sft', 'short', 'long', 'expand-long', 'solo', 'solo-both', 'distil'] as const;

export const objectiveSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('dpo'),
    beta: z.number().gt(0).max(100).default(0.1),
    /** -log sigmoid(margin) (DPO), (margin / beta - 1 / (2 beta))^2 (IPO), or max(0, 1 - margin) (hinge). */
    loss: z.enum(['sigmoid', 'ipo', 'hinge']).default('sigmoid'),
    /** Share of pairs taken to be labelled the wrong way round (conservative DPO); sigmoid only. */
    labelSmoothing: z.number().min(0).lt(0.5).default(0),
  }),
  z.strictObject({
    kind: z.literal('simpo'),
    beta: z.number().gt(0).max(100).default(2.5),
    /** Target margin between the rewards. */
    gamma: z.number().min(0).max(100).default(1),
  }),
  z.strictObject({
    kind: z.literal('orpo'),
    /** Weight of -log sigmoid(log odds ratio), which the paper calls lambda. */
    beta: z.number().gt(0).max(100).default(0.1),
    /** Weight of the chosen response's negative log-likelihood. */
    nllWeight: z.number().min(0).max(100).default(1),
    /** Tokens of that likelihood: the response's (LLaMA-Factory), or the prompt's too (TRL). */
    nll: z.enum(['response', 'all']).default('response'),
  }),
  /** Negative log-likelihood of the chosen response under one context. */
  z.strictObject({ kind: z.literal('sft'), context: z.enum(['short', 'long']).default('short') }),
  /**
   * KL of the policy's next token under the long context from the base model's under the short one, mean over the tokens of an answer
   * that was sampled on the long context.
   */
  z.strictObject({ kind: z.literal('distil') }),
]);

/**
 * What of the long row has a gradient: `full`, every token; `tail`, the last so many tokens of the prompt and the answer; `response`, the
 * places that predict the answer's tokens, as `tail: 1`. What stands before runs forward alone, and its keys and values are constants.
 */
export const alignmentBackwardSchema = z.union([
  z.enum(['full', 'response']),
  z.strictObject({ tail: z.int().min(1).max(1_000_000) }),
]);

export const alignmentSchema = z.strictObject({
  alpha: z.number().min(0).max(1000).default(1),
  /** Whose reference log-probability the long reward takes: the short context's, or its own. Read by DPO only. */
  reference: z.enum(['shared', 'per-context']).default('shared'),
  distance: z.enum(['absolute', 'squared', 'smooth-l1']).default('absolute'),
  /** `one`: only what makes the long margin smaller is punished: r_short > r_long of the chosen answer, r_long > r_short of the rejected one. */
  sides: z.enum(['two', 'one']).default('two'),
  detach: z.enum(['none', 'short']).default('short'),
  /** Gaps up to deadZone * |dr / d log pi| * tokens count as 0. */
  deadZone: z.number().min(0).max(1).default(1e-5),
  /** Share p of the pairs that are aligned, drawn once a pair by seed; their weight is alpha / p. */
  fraction: z.number().gt(0).max(1).default(1),
  backward: alignmentBackwardSchema.default('full'),
});

/** Low-rank adapters (Hu et al. 2021); without one every parameter is trained. */
export const adapterSchema = z.strictObject({
  kind: z.literal('lora'),
  rank: z.int().min(1).max(1024).default(16),
  alpha: z.number().gt(0).max(100_000).default(32),
  /** Linear layers, by the last part of their name. */
  targets: z
    .array(z.enum(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']))
    .min(1)
    .default(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']),
  /** Scale alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023). */
  rsLora: z.boolean().default(false),
});

/** How the weights under an adapter are kept while it is trained, and by the reference that it is compared with. */
export const frozenWeightsSchema = z.enum(['float32', 'float16', 'int8']);

export const engineSchema = z.enum(ENGINES);
export const precisionSchema = z.enum(PRECISIONS);

/** Watches held-out pairs for a short answer that is pulled down to meet the long one. */
export const watchSchema = z.strictObject({
  collapse: z.enum(['off', 'warn', 'stop']).default('warn'),
  /** Fall of the chosen answer's short log-probability per token, in nats below the base, while the gap is smaller. */
  logpDrop: z.number().gt(0).max(1000).default(0.5),
});

export const trainingSchema = z.strictObject({
  epochs: z.int().min(1).max(1000).default(1),
  /** Ends training early; the schedule is laid over the steps actually taken. */
  maxSteps: z.int().min(1).max(MAX_ITEMS).optional(),
  pairsPerStep: z.int().min(1).max(65_536).default(16),
  learningRate: z.number().gt(0).max(1).default(1e-6),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('cosine'),
  warmupRatio: z.number().min(0).max(1).default(0.1),
  /** Where the schedule ends, as a fraction of the learning rate. */
  finalLearningRateRatio: z.number().min(0).max(1).default(0.1),
  clipNorm: z.number().gt(0).max(1e9).default(1),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
  epsilon: z.number().gt(0).max(1).default(1e-8),
  weightDecay: z.number().min(0).max(1).default(0),
  /** A slice is one job: so many steps, then a checkpoint. */
  stepsPerSlice: z.int().min(1).max(MAX_ITEMS).default(25),
  /** Rows are run in micro-batches of at most this many (padded) tokens; changes memory, not results beyond rounding. */
  microBatchTokens: z.int().min(1).max(100_000_000).default(8192),
});

export const evaluationSchema = z.strictObject({
  /** A held-out data set, by name or digest. */
  dataset: z.string().min(1),
  /** Context lengths, in documents. */
  documents: z.array(z.int().min(1).max(100_000)).min(1).max(64),
  /** Questions a length; all of the data set when absent. */
  questions: z.int().min(1).max(MAX_ITEMS).optional(),
  judge: judgeSchema.default('sub-em'),
  normalization: normalizationSchema.default('hotpotqa'),
  maxNewTokens: z.int().min(1).max(32_768).default(64),
  weights: samplingWeightsSchema.default('float32'),
});

const runConfigObject = z.strictObject({
  name: z.string().min(1).max(200),
  /** A registered model, by name or digest: the policy's start and, frozen, the reference. */
  model: z.string().min(1),
  /** The training data set, by name or digest. */
  dataset: z.string().min(1),
  seed: z.int().min(0).max(0xffff_ffff).default(0),
  arm: z.enum(ARMS).default('solo'),
  objective: objectiveSchema.prefault({ kind: 'dpo' }),
  alignment: alignmentSchema.prefault({}),
  adapter: adapterSchema.nullable().default(null),
  /**
   * How the linear layers of the frozen model are kept while an adapter is trained: float16 takes half the memory, int8 (a scale an
   * output) a quarter. What is exported is the adapter; merged, it goes into the model as it is registered.
   */
  frozenWeights: frozenWeightsSchema.default('float32'),
  /**
   * What computes: onnxruntime, which every worker has, or PyTorch, for any causal model of transformers and for bfloat16. Workers must
   * have it (`./solopo engine add torch`).
   */
  engine: engineSchema.default('onnx'),
  /** What weights and activations are computed in; bfloat16 needs `engine: torch`. What is trained is kept in float32. */
  precision: precisionSchema.default('float32'),
  /** A server that answers in place of the engine. */
  sampler: samplerSchema.nullable().default(null),
  prompt: promptSchema.prefault({}),
  contexts: contextsSchema,
  sampling: samplingSchema.prefault({}),
  pairing: pairingSchema.prefault({}),
  training: trainingSchema.prefault({}),
  watch: watchSchema.prefault({}),
  evaluation: evaluationSchema.nullable().default(null),
});

/**
 * Everything that decides a run's result. Unknown keys are refused. `preset: paper` stands for the paper's literal
 * alignment (each reward with its own reference, gradient through both, no dead zone) where nothing else is said.
 */
export const runConfigSchema = z
  .preprocess(applyDefaults, runConfigObject)
  .refine(({ arm, objective }) => (arm === 'sft') === (objective.kind === 'sft'), {
    path: ['objective', 'kind'],
    error: 'the sft arm and the sft objective go together; choose both or neither',
  })
  .refine(({ arm, objective }) => (arm === 'distil') === (objective.kind === 'distil'), {
    path: ['objective', 'kind'],
    error: 'the distil arm and the distil objective go together; choose both or neither',
  })
  .refine(({ arm, pairing }) => (arm === 'distil') === (pairing.mode === 'samples'), {
    path: ['pairing', 'mode'],
    error: 'the distil arm trains on samples without a rejected answer, and only it does; leave pairing.mode out',
  })
  .refine(({ arm, sampling }) => SAMPLED_ON_LONG.includes(arm) === (sampling.on === 'long'), {
    path: ['sampling', 'on'],
    error:
      'the long and distil arms sample on long contexts, and only they do; use expand-long to train on long contexts with pairs sampled on short ones',
  })
  .refine(({ arm, alignment }) => alignment.backward === 'full' || arm === 'solo' || arm === 'solo-both', {
    path: ['alignment', 'backward'],
    error:
      'only the solo arms read the long row by alignment alone; train with arm solo or solo-both, or leave alignment.backward at full',
  })
  .refine(
    ({ objective }) => objective.kind !== 'dpo' || objective.loss === 'sigmoid' || objective.labelSmoothing === 0,
    {
      path: ['objective', 'labelSmoothing'],
      error: 'label smoothing belongs to the sigmoid loss; set it to 0',
    },
  )
  .refine(({ adapter, frozenWeights }) => adapter !== null || frozenWeights === 'float32', {
    path: ['frozenWeights'],
    error:
      'without an adapter every parameter is trained and none is frozen; train an adapter (adapter: { kind: lora }), or leave frozenWeights at float32',
  })
  .refine(({ engine, precision }) => engine === 'torch' || precision === 'float32', {
    path: ['precision'],
    error: 'bfloat16 is computed by PyTorch alone; set engine to torch, or leave precision at float32',
  })
  .refine(({ engine, frozenWeights }) => engine === 'onnx' || frozenWeights === 'float32', {
    path: ['frozenWeights'],
    error:
      'PyTorch keeps frozen weights in the precision that it computes in; set precision to bfloat16 for half the memory, and leave frozenWeights at float32',
  })
  .refine(({ adapter, sampler }) => adapter !== null || sampler?.adapters !== 'vllm', {
    path: ['sampler', 'adapters'],
    error:
      'without an adapter every parameter is trained, and a policy is no adapter that a server could load; train one (adapter: { kind: lora }), or leave sampler.adapters at none',
  });

export const PRESETS = {
  default: {},
  paper: { reference: 'per-context', detach: 'none', deadZone: 0 },
} as const satisfies Record<string, Partial<z.input<typeof alignmentSchema>>>;

const SAMPLED_ON_LONG: readonly unknown[] = ['long', 'distil'];

/** What follows from the arm and the preset, before the defaults of each part. */
function applyDefaults(input: unknown): unknown {
  if (!isRecord(input)) return input;
  const { preset = 'default', ...config } = input;
  const isKnown = typeof preset === 'string' && Object.hasOwn(PRESETS, preset);
  const { arm, objective, alignment, sampling, pairing } = config;
  return {
    ...config,
    // An unknown one is refused as an unknown key.
    ...(isKnown ? {} : { preset }),
    objective: withDefaults({ kind: arm === 'sft' || arm === 'distil' ? arm : 'dpo' }, objective),
    alignment: withDefaults(isKnown ? PRESETS[preset as keyof typeof PRESETS] : {}, alignment),
    sampling: withDefaults(
      { on: SAMPLED_ON_LONG.includes(arm) ? 'long' : 'short', ...(arm === 'distil' ? { samplesPerContext: 1 } : {}) },
      sampling,
    ),
    pairing: withDefaults(arm === 'distil' ? { mode: 'samples' } : {}, pairing),
  };
}

/** What is no record stays, for the schema to refuse. */
function withDefaults(defaults: Readonly<Record<string, unknown>>, given: unknown): unknown {
  return given === undefined ? defaults : isRecord(given) ? { ...defaults, ...given } : given;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export type RunConfig = z.infer<typeof runConfigSchema>;
export type RunConfigInput = Omit<z.input<typeof runConfigObject>, 'objective'> & {
  readonly preset?: keyof typeof PRESETS;
  /** Without a kind: dpo, or what the sft and distil arms are named for. */
  readonly objective?:
    z.input<typeof objectiveSchema> | Omit<Extract<z.input<typeof objectiveSchema>, { kind: 'dpo' }>, 'kind'>;
};
/** What prompts are made by. Without a word control tokens are tokens. */
export type PromptConfig = Omit<z.infer<typeof promptSchema>, 'controlTokens'> & {
  readonly controlTokens?: z.infer<typeof controlTokensSchema> | undefined;
};
/** What contexts are composed by. */
export type ContextsConfig = Omit<z.infer<typeof contextsSchema>, 'beyondPositions'>;
export type SamplingConfig = z.infer<typeof samplingSchema>;
export type PairingConfig = z.infer<typeof pairingSchema>;
export type Judge = z.infer<typeof judgeSchema>;
export type Normalization = z.infer<typeof normalizationSchema>;
export type AlignmentConfig = z.infer<typeof alignmentSchema>;
export type AlignmentBackward = z.infer<typeof alignmentBackwardSchema>;
export type ObjectiveConfig = z.infer<typeof objectiveSchema>;
export type AdapterConfig = z.infer<typeof adapterSchema>;
export type FrozenWeightsConfig = z.infer<typeof frozenWeightsSchema>;
export type SamplerConfig = z.infer<typeof samplerSchema>;
export type SamplingWeightsConfig = z.infer<typeof samplingWeightsSchema>;
export type WatchConfig = z.infer<typeof watchSchema>;
export type TrainingConfig = z.infer<typeof trainingSchema>;
export type EvaluationConfig = z.infer<typeof evaluationSchema>;
export type Arm = (typeof ARMS)[number];
