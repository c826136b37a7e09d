import { z } from 'zod';
import { DATASET_FORMATS } from './example.ts';

/** `POST /v1/artifacts` takes a raw body and answers with its digest; a model is then registered by its files' digests. */
export const createModelSchema = z.strictObject({
  name: z.string().min(1).max(200),
  /** File name to artifact digest: config.json, tokenizer.json, tokenizer_config.json, *.safetensors ... */
  files: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
});

export const createDatasetQuerySchema = z.strictObject({
  name: z.string().min(1).max(200),
  format: z.enum(DATASET_FORMATS).default('solopo'),
});

/** One message on `GET /v1/runs/:id/events` (server-sent events) and on the events stream. */
export const eventSchema = z.strictObject({
  type: z.enum([
    'run.state',
    'stage.started',
    'stage.progress',
    'stage.done',
    'run.step',
    'run.alignment',
    'run.evaluation',
    'run.warning',
  ]),
  run: z.string(),
  at: z.string(),
  data: z.record(z.string(), z.unknown()),
});

export type RunEvent = z.infer<typeof eventSchema>;

/** An event with its place in the stream: what Last-Event-ID goes on from. */
export const sequencedEventSchema = eventSchema.extend({ id: z.int().min(0) });

export type RecentEvent = z.infer<typeof sequencedEventSchema>;

/** `reward.inspect`: by reference, for a message holds no long context. */
export const inspectRequestSchema = z.strictObject({
  run: z.string().min(1),
  pair: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of a policy version; 0 is the base model. */
  step: z.int().min(0),
});

export type InspectRequest = z.infer<typeof inspectRequestSchema>;

/** Each scope holds the ones before it. */
export const SCOPES = ['read', 'run', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const collectGarbageSchema = z.strictObject({
  dryRun: z.boolean().default(true),
  graceHours: z.number().min(1).max(100_000).default(24).describe('What was stored later than so long ago stays'),
});

export type CollectGarbage = z.infer<typeof collectGarbageSchema>;

/** Which slices to replay. */
export const createReplaySchema = z.strictObject({
  slices: z.int().min(1).max(1000).default(1).describe('How many, at random; all where the run has fewer'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .optional()
    .describe('Draws them; a random one by default'),
});

export const createTokenSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'must be lower-case letters, digits, dots, dashes and underscores')
    .describe('Tells whose token it is; unique among the tokens that are not revoked.'),
  scopes: z.array(z.enum(SCOPES)).min(1).default(['read']).describe('`run` holds `read`, `admin` holds both.'),
});
