import { z } from 'zod';
import { ENGINES, LINEAR_LAYERS, PRECISIONS } from './engines.ts';

/** Of examples, pairs and steps: what is counted up from them stays below the ledger's 32 bits. */
const MAX_ITEMS = 1_000_000;

export const controlTokensSchema = z.enum(['tokens', 'text']);

/** How an example becomes a prompt. `{title}`, `{text}`, `{documents}`, `{question}` are replaced. */
export const promptSchema = z.strictObject({
  system: z.string().optional().describe("The system message. Left out: none, or the chat template's own."),
  document: z
    .string()
    .includes('{text}')
    .default('{title}\n{text}')
    .describe('How a document is written; {title} and {text} are replaced.'),
  separator: z.string().default('\n\n').describe('What stands between two documents.'),
  user: z
    .string()
    .includes('{documents}')
    .includes('{question}')
    .default('Answer the question from the documents.\n\n{documents}\n\nQuestion: {question}')
    .describe("The user's message; {documents} and {question} are replaced."),
  controlTokens: controlTokensSchema
    .default('tokens')
    .describe(
      'What a control token of the model (<|im_end|>, <eos>) in a question or a document becomes: that token, or the tokens of its ' +
        'characters, as text (sanitize_control_tokens of transformers).',
    ),
});

export const beyondPositionsSchema = z.enum(['keep', 'refuse']);

export const contextsSchema = z.strictObject({
  short: z
    .strictObject({
      distractors: z
        .int()
        .min(0)
        .max(1000)
        .default(0)
        .describe('Documents beside the relevant ones that do not hold the answer.'),
    })
    .prefault({})
    .describe('x_short: the relevant documents and so many distractors.'),
  long: z
    .union([
      z.strictObject({ documents: z.int().min(1).max(100_000).describe('Documents of a long context.') }),
      z.strictObject({
        maxTokens: z.int().min(16).max(1_000_000).describe('Tokens of the whole prompt with a long context, at most.'),
      }),
    ])
    .describe(
      'x_long: the documents of x_short and more distractors, shuffled, up to a number of documents or of tokens.',
    ),
  beyondPositions: beyondPositionsSchema
    .default('keep')
    .describe('Contexts of more tokens than the model has positions: counted and warned of, or refused.'),
});

export const samplingWeightsSchema = z.enum(['float32', 'int8', 'int4']);

const ANSWERING_WEIGHTS =
  "How the model's matrices are kept while it answers: int8 with a scale an output, int4 with one for each 32 neighbouring weights; " +
  'rows are then rounded to 8 bits in products. Scores and training read the exact weights. A GPU, and a processor that cannot sum ' +
  "8-bit products exactly, answer with float32; which it was stands with the stage's result.";

export const samplingSchema = z.strictObject({
  on: z
    .enum(['short', 'long'])
    .default('short')
    .describe(
      'The contexts that answers are sampled on. The arms long and distil sample on long ones, and only they do.',
    ),
  samplesPerContext: z
    .int()
    .min(1)
    .max(256)
    .default(8)
    .describe('Answers drawn for each context; 1 where nothing is said for the arm distil.'),
  temperature: z
    .number()
    .min(0)
    .max(10)
    .default(0.85)
    .describe('What logits are divided by before an answer is drawn; 0: the most likely token each time.'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('Tokens are drawn from the most likely ones that together have this probability.'),
  maxNewTokens: z
    .int()
    .min(1)
    .max(32_768)
    .default(64)
    .describe('Tokens of an answer, at most; a longer one is cut off.'),
  weights: samplingWeightsSchema.default('float32').describe(ANSWERING_WEIGHTS),
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
  url: samplerUrlSchema.describe('The server; one of those that workers may ask (SOLOPO_SAMPLERS).'),
  model: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe("The run's model, by the server's name for it. Left out: the only one that the server has."),
  adapters: z
    .enum(['vllm', 'none'])
    .default('none')
    .describe(
      'vllm: policies are loaded there as LoRA adapters, and evaluations are answered by the server too. none: the server answers for ' +
        "the base model, on which samples are drawn; evaluations compute with the run's engine.",
    ),
  check: z
    .enum(['logps', 'none'])
    .default('logps')
    .describe(
      'logps: before the server answers for a model or a policy, its log-probabilities of some tokens are held to those of the ' +
        "run's engine. none: they are not, as where no worker has room for the model, or the server's weights are rounded.",
    ),
});

export const judgeSchema = z.enum(['sub-em', 'exact']);
export const normalizationSchema = z.enum(['hotpotqa', 'none']);

const JUDGE = 'An answer is right when it has the gold answer in it (sub-em), or is it (exact).';
const NORMALIZATION =
  "What judges leave out of both texts: case, punctuation and articles, as HotpotQA's own evaluation does, or nothing but white space.";

export const cutAnswersSchema = z.enum(['refuse', 'keep']);

export const pairingSchema = z.strictObject({
  mode: z
    .enum(['sampled', 'gold-chosen', 'samples'])
    .default('sampled')
    .describe(
      'sampled: a right and a wrong sample. gold-chosen: the gold answer against a sampled wrong one. samples: one of the samples, ' +
        'right or wrong, and no rejected answer; what the arm distil trains on, and it alone.',
    ),
  judge: judgeSchema.default('sub-em').describe(JUDGE),
  normalization: normalizationSchema.default('hotpotqa').describe(NORMALIZATION),
  cutAnswers: cutAnswersSchema
    .default('refuse')
    .describe('Whether a sample that sampling.maxNewTokens cut off may be the chosen answer.'),
  maxPairs: z
    .int()
    .min(1)
    .max(MAX_ITEMS)
    .default(5000)
    .describe('Training pairs kept, in data-set order, after the held-out ones are set aside.'),
  heldOutPairs: z
    .int()
    .min(0)
    .max(MAX_ITEMS)
    .default(64)
    .describe('Pairs set aside for the alignment metrics, never trained on: the first pairs of the data set.'),
});

export const ARMS = ['sft', 'short', 'long', 'expand-long', 'solo', 'solo-both', 'distil'] as const;

const kindOf = <Kind extends string>(kind: Kind, description: string) => z.literal(kind).describe(description);

export const objectiveSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: kindOf('dpo', 'Direct preference optimization: the margin of both responses over the reference model.'),
    beta: z.number().gt(0).max(100).default(0.1).describe('Scale of the rewards: beta * log (policy / reference).'),
    loss: z
      .enum(['sigmoid', 'ipo', 'hinge'])
      .default('sigmoid')
      .describe('-log sigmoid(margin) (DPO), (margin / beta - 1 / (2 beta))^2 (IPO), or max(0, 1 - margin) (hinge).'),
    labelSmoothing: z
      .number()
      .min(0)
      .lt(0.5)
      .default(0)
      .describe('Share of pairs taken to be labelled the wrong way round (conservative DPO); sigmoid only.'),
  }),
  z.strictObject({
    kind: kindOf('simpo', 'Mean log-probability as the reward, without a reference model.'),
    beta: z.number().gt(0).max(100).default(2.5).describe('Scale of the rewards: beta * log p / tokens.'),
    gamma: z.number().min(0).max(100).default(1).describe('Target margin between the rewards.'),
  }),
  z.strictObject({
    kind: kindOf(
      'orpo',
      'Odds ratio of the responses beside the likelihood of the chosen one, without a reference model.',
    ),
    beta: z
      .number()
      .gt(0)
      .max(100)
      .default(0.1)
      .describe('Weight of -log sigmoid(log odds ratio), which the paper calls lambda.'),
    nllWeight: z
      .number()
      .min(0)
      .max(100)
      .default(1)
      .describe("Weight of the chosen response's negative log-likelihood."),
    nll: z
      .enum(['response', 'all'])
      .default('response')
      .describe("Tokens of that likelihood: the response's (LLaMA-Factory), or the prompt's too (TRL)."),
  }),
  z.strictObject({
    kind: kindOf('sft', 'Negative log-likelihood of the chosen response under one context.'),
    context: z.enum(['short', 'long']).default('short').describe('The context that it is learned under.'),
  }),
  z.strictObject({
    kind: kindOf(
      'distil',
      "KL of the policy's next token under the long context from the base model's under the short one, mean over the tokens of an answer " +
        'that was sampled on the long context.',
    ),
  }),
]);

export const alignmentBackwardSchema = z.union([
  z.enum(['full', 'response']),
  z.strictObject({
    tail: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe('The last so many tokens of the prompt have a gradient, and the answer.'),
  }),
]);

export const alignmentSchema = z.strictObject({
  alpha: z.number().min(0).max(1000).default(1).describe('Weight of the alignment beside the preference loss.'),
  reference: z
    .enum(['shared', 'per-context'])
    .default('shared')
    .describe(
      "Whose reference log-probability the long reward takes: the short context's, or its own. Read by DPO only.",
    ),
  distance: z
    .enum(['absolute', 'squared', 'smooth-l1'])
    .default('absolute')
    .describe("What is made of the gap between an answer's rewards under the two contexts."),
  sides: z
    .enum(['two', 'one'])
    .default('two')
    .describe(
      'one: only what makes the long margin smaller is punished: r_short > r_long of the chosen answer, r_long > r_short of the rejected one.',
    ),
  detach: z
    .enum(['none', 'short'])
    .default('short')
    .describe('short: the short reward is a constant in the gap, so that the long one moves towards it alone.'),
  deadZone: z
    .number()
    .min(0)
    .max(1)
    .default(1e-5)
    .describe('Gaps up to deadZone * |dr / d log pi| * tokens count as 0.'),
  fraction: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('Share p of the pairs that are aligned, drawn once a pair by seed; their weight is alpha / p.'),
  backward: alignmentBackwardSchema
    .default('full')
    .describe(
      'What of the long row has a gradient: full, every token; tail, the last so many tokens of the prompt and the answer; response, ' +
        "the places that predict the answer's tokens, as tail: 1. What stands before runs forward alone, and its keys and values are constants.",
    ),
});

/** What an adapter works on where every linear layer is meant, as PEFT calls it: all but the output layer. */
export const ALL_LINEAR = 'all-linear';

/** Low-rank adapters (Hu et al. 2021); without one every parameter is trained. */
export const adapterSchema = z.strictObject({
  kind: kindOf('lora', 'Low-rank matrices beside the linear layers (Hu et al. 2021).'),
  rank: z.int().min(1).max(1024).default(16).describe('Rows of A, columns of B: y = x W^T + s (x A^T) B^T.'),
  alpha: z.number().gt(0).max(100_000).default(32).describe('The scale s is alpha / rank.'),
  targets: z
    .union([
      z
        .array(
          z
            .string()
            .max(100)
            .regex(/^[A-Za-z_]\w*$/, "must be the last part of a linear layer's name, such as q_proj"),
          { error: `must be a list of linear layers, such as [q_proj, v_proj], or ${ALL_LINEAR}` },
        )
        .min(1)
        .max(100),
      z.literal(ALL_LINEAR),
    ])
    .default(ALL_LINEAR)
    .describe(
      `Linear layers that are adapted, by the last part of their name, or ${ALL_LINEAR}: every one but the output layer. With engine onnx ` +
        `of ${LINEAR_LAYERS.join(', ')}; with engine torch any that the model has.`,
    ),
  rsLora: z.boolean().default(false).describe('Scale alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023).'),
});

export const frozenWeightsSchema = z.enum(['float32', 'float16', 'int8']);
export const engineSchema = z.enum(ENGINES);
export const precisionSchema = z.enum(PRECISIONS);

/** Watches held-out pairs for a short answer that is pulled down to meet the long one. */
export const watchSchema = z.strictObject({
  collapse: z
    .enum(['off', 'warn', 'stop'])
    .default('warn')
    .describe('What a collapse does: nothing, a warning, or the end of the training.'),
  logpDrop: z
    .number()
    .gt(0)
    .max(1000)
    .default(0.5)
    .describe(
      "Fall of the chosen answer's short log-probability per token, in nats below the base, while the gap is smaller: more is a collapse.",
    ),
});

export const trainingSchema = z.strictObject({
  epochs: z.int().min(1).max(1000).default(1).describe('How often each pair is trained on.'),
  maxSteps: z
    .int()
    .min(1)
    .max(MAX_ITEMS)
    .optional()
    .describe('Ends training early; the schedule is laid over the steps actually taken. Left out: all epochs.'),
  pairsPerStep: z.int().min(1).max(65_536).default(16).describe('Pairs of a gradient step.'),
  learningRate: z
    .number()
    .gt(0)
    .max(1)
    .default(1e-6)
    .describe('The largest one of the schedule; an adapter wants about ten times more.'),
  schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .default('cosine')
    .describe('How the learning rate falls after the warm-up.'),
  warmupRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Share of the steps in which the learning rate rises from 0.'),
  finalLearningRateRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Where the schedule ends, as a fraction of the learning rate.'),
  clipNorm: z
    .number()
    .gt(0)
    .max(1e9)
    .default(1)
    .describe('Largest norm of a gradient; a longer one is scaled down to it.'),
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .describe("Decay of AdamW's two moments."),
  epsilon: z.number().gt(0).max(1).default(1e-8).describe("Added to the root in AdamW's denominator."),
  weightDecay: z.number().min(0).max(1).default(0).describe('Decoupled decay of AdamW, times the learning rate.'),
  stepsPerSlice: z
    .int()
    .min(1)
    .max(MAX_ITEMS)
    .default(25)
    .describe('A slice is one job: so many steps, then a checkpoint.'),
  microBatchTokens: z
    .int()
    .min(1)
    .max(100_000_000)
    .default(8192)
    .describe(
      'Rows are run in micro-batches of at most this many (padded) tokens; changes memory, not results beyond rounding.',
    ),
});

export const evaluationSchema = z.strictObject({
  dataset: z.string().min(1).describe('A held-out data set, by name or digest.'),
  documents: z
    .array(z.int().min(1).max(100_000))
    .min(1)
    .max(64)
    .describe('Context lengths, in documents; each is asked of the base model and of the policy.'),
  questions: z.int().min(1).max(MAX_ITEMS).optional().describe('Questions a length. Left out: all of the data set.'),
  judge: judgeSchema.default('sub-em').describe(JUDGE),
  normalization: normalizationSchema.default('hotpotqa').describe(NORMALIZATION),
  maxNewTokens: z.int().min(1).max(32_768).default(64).describe('Tokens of an answer, at most.'),
  weights: samplingWeightsSchema.default('float32').describe(ANSWERING_WEIGHTS),
});

const runConfigObject = z.strictObject({
  name: z.string().min(1).max(200).describe('What the run is called; more than one may have it.'),
  model: z
    .string()
    .min(1)
    .describe("A registered model, by name or digest: the policy's start and, frozen, the reference."),
  dataset: z.string().min(1).describe('The training data set, by name or digest.'),
  seed: z.int().min(0).max(0xffff_ffff).default(0).describe('All that is drawn by chance is drawn from it.'),
  arm: z
    .enum(ARMS)
    .default('solo')
    .describe(
      'What a pair is trained on. solo: the short context, with the long one aligned to it; solo-both: the same, both ways. short, long: ' +
        'one context, answers sampled on it. expand-long: the long one, answers sampled on the short one. sft: the chosen answer alone. ' +
        'distil: the model itself on the short context as the teacher of the long one.',
    ),
  objective: objectiveSchema
    .prefault({ kind: 'dpo' })
    .describe(
      'The preference loss; dpo where no kind is said, and of the arms sft and distil the one that they are named for.',
    ),
  alignment: alignmentSchema
    .prefault({})
    .describe('How the long context is aligned to the short one; of the solo arms.'),
  adapter: adapterSchema.nullable().default(null).describe('A low-rank adapter; null: every parameter is trained.'),
  frozenWeights: frozenWeightsSchema
    .default('float32')
    .describe(
      'How the linear layers of the frozen model are kept while an adapter is trained, and by the reference that it is compared with: ' +
        'float16 takes half the memory, int8 (a scale an output) a quarter. What is exported is the adapter; merged, it goes into the ' +
        'model as it is registered.',
    ),
  engine: engineSchema
    .default('onnx')
    .describe(
      'What computes: onnxruntime, which every worker has, or PyTorch, for any causal model of transformers and for bfloat16. Workers ' +
        'must have it (./solopo engine add torch).',
    ),
  precision: precisionSchema
    .default('float32')
    .describe(
      'What weights and activations are computed in; bfloat16 needs engine: torch. What is trained is kept in float32.',
    ),
  sampler: samplerSchema
    .nullable()
    .default(null)
    .describe('A server that answers in place of the engine; null: the engine answers.'),
  prompt: promptSchema.prefault({}).describe('How an example becomes a prompt.'),
  contexts: contextsSchema.describe('The short and the long context of each example.'),
  sampling: samplingSchema.prefault({}).describe('How answers are drawn that pairs are made of.'),
  pairing: pairingSchema.prefault({}).describe('How answers are judged and paired.'),
  training: trainingSchema.prefault({}).describe('Steps, learning rate, AdamW, and what a checkpoint is made after.'),
  watch: watchSchema
    .prefault({})
    .describe('Watches held-out pairs for a short answer that is pulled down to meet the long one.'),
  evaluation: evaluationSchema
    .nullable()
    .default(null)
    .describe('Questions that are asked of the base model and of the policy; null: none.'),
});

/** Of the configuration, what tells runs apart. The rest may be long: it is in the view of the single run. */
export const runSummaryConfigSchema = z.object({
  name: runConfigObject.shape.name,
  model: runConfigObject.shape.model,
  dataset: runConfigObject.shape.dataset,
  arm: z.enum(ARMS),
  engine: engineSchema,
  precision: precisionSchema,
  objective: objectiveSchema,
  adapter: z.object({ kind: z.string(), rank: z.int().min(1) }).nullable(),
  pairing: z.object({ mode: z.string(), heldOutPairs: z.int().min(0) }),
  evaluation: z.object({ dataset: z.string(), documents: z.array(z.int().min(1)) }).nullable(),
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
  .superRefine(({ engine, adapter }, context) => {
    if (engine === 'torch' || adapter === null || adapter.targets === ALL_LINEAR) return;
    for (const [index, target] of adapter.targets.entries())
      if (!LINEAR_LAYERS.includes(target))
        context.addIssue({
          code: 'custom',
          path: ['adapter', 'targets', index],
          message: `onnxruntime adapts ${LINEAR_LAYERS.join(', ')}; name some of these, or set engine to torch, which adapts any linear layer of the model`,
        });
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
