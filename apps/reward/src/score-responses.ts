import { Inject, Injectable } from '@nestjs/common';
import { adapterSchema } from '@solopo/contracts';
import { Engine } from '@solopo/engine';
import { Ledger } from '@solopo/ledger';
import { sumOf } from '@solopo/pipeline';
import { CONFIG } from '@solopo/platform';
import { ModelFiles, type WorkerConfig } from '@solopo/worker';
import { z } from 'zod';

const tokens = z.array(z.int().min(0)).min(1).max(1_000_000);

export const scoreRequestSchema = z.strictObject({
  /** A registered model, by name or digest. */
  model: z.string().min(1),
  /** A policy version's weights in place of the model's own, or its adapter. */
  policy: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** What the run of an adapter was configured with. */
  adapter: adapterSchema.nullable().default(null),
  rows: z
    .array(
      z.union([
        z.strictObject({
          messages: z
            .array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }))
            .min(1),
          responses: z.array(z.string()).min(1).max(256),
        }),
        z.strictObject({ promptTokens: tokens, responseTokens: z.array(tokens).min(1).max(256) }),
      ]),
    )
    .min(1)
    .max(1024),
});

export type ScoreRequest = z.infer<typeof scoreRequestSchema>;

export interface ScoreResponse {
  /** Scores from engines with different fingerprints may differ in their last bits. */
  readonly engine: string;
  readonly rows: readonly {
    readonly responses: readonly { readonly sum: number; readonly tokens: number; readonly logps: readonly number[] }[];
  }[];
}

/** Log-probabilities of responses, now: messages through the model's chat template, or tokens as they are. */
@Injectable()
export class ScoreResponses {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ModelFiles) private readonly models: ModelFiles,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(CONFIG) private readonly config: WorkerConfig,
  ) {}

  async execute({ model: name, policy, adapter, rows }: ScoreRequest): Promise<ScoreResponse> {
    const { digest } = await this.ledger.models.require(name);
    const text = await this.models.text(digest);
    const trees = rows.map((row) =>
      'messages' in row
        ? {
            prompt: text.promptTokens(row.messages),
            branches: row.responses.map((response) => text.responseTokens(row.messages, response)),
          }
        : {
            prompt: Int32Array.from(row.promptTokens),
            branches: row.responseTokens.map((ids) => Int32Array.from(ids)),
          },
    );
    const engine = await this.engine.run('fingerprint', {});
    const { logps } = await this.models.during(async () =>
      this.engine.run('score', {
        model: await this.models.source(digest, { policy, adapter }),
        trees,
        batchTokens: this.config.batchTokens,
      }),
    );
    return {
      engine,
      rows: logps.map((branches) => ({
        responses: branches.map((values) => ({ sum: sumOf(values), tokens: values.length, logps: [...values] })),
      })),
    };
  }
}
