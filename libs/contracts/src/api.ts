import { z } from 'zod';
import { DATASET_FORMATS } from './example.ts';
import type { RUN_STATES } from './stages.ts';
import type { runConfigSchema } from './run-config.ts';

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
  ]),
  run: z.string(),
  at: z.string(),
  data: z.record(z.string(), z.unknown()),
});

export type RunEvent = z.infer<typeof eventSchema>;

export interface ModelView {
  readonly digest: string;
  readonly name: string;
  readonly family: string;
  readonly parameters: number;
  readonly createdAt: string;
}

export interface DatasetView {
  readonly digest: string;
  readonly name: string;
  readonly format: string;
  readonly examples: number;
  /** Lines that could not be read: line number (from 1) and why. At most the first 100 are kept. */
  readonly rejected: readonly { readonly line: number; readonly reason: string }[];
  readonly rejectedCount: number;
  readonly createdAt: string;
}

export interface StageView {
  readonly digest: string;
  readonly kind: string;
  readonly state: 'pending' | 'running' | 'done' | 'failed';
  readonly chunks: number;
  readonly chunksDone: number;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly result: Readonly<Record<string, unknown>> | null;
}

export interface RunView {
  readonly id: string;
  readonly config: z.infer<typeof runConfigSchema>;
  readonly state: (typeof RUN_STATES)[number];
  /** Why the run failed, with what to do next. */
  readonly error: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly step: number;
  readonly steps: number | null;
  /** Head of the chain of step digests: equal heads mean equal data, configuration and parameters. */
  readonly chainHead: string | null;
  readonly policyDigest: string | null;
  readonly policyTokens: number;
  readonly referenceTokens: number;
  /** Seconds spent in gradient steps. */
  readonly trainSeconds: number;
  readonly pairs: number | null;
  readonly stages: readonly StageView[];
}

export interface StepView {
  readonly step: number;
  readonly digest: string;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface AlignmentView {
  readonly step: number;
  readonly policy: string;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface EvaluationView {
  readonly policy: string;
  /** `base`, or the step of the policy version. */
  readonly step: number | 'base';
  readonly documents: number;
  readonly tokens: number;
  readonly n: number;
  readonly correct: number;
  /** One character a question, '1' right and '0' wrong, in data-set order: for paired comparisons. */
  readonly outcomes: string;
  /** Questions that could not be asked, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface PairView {
  readonly digest: string;
  readonly example: string;
  readonly heldOut: boolean;
  readonly question: string;
  readonly chosen: string;
  readonly rejected: string;
  readonly shortTokens: number;
  readonly longTokens: number;
}
