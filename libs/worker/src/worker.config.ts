import { serviceConfigSchema } from '@solopo/platform';
import { z } from 'zod';

export const workerConfigSchema = serviceConfigSchema.extend({
  /** Threads of the numeric engine. Part of its fingerprint: other counts may give other last bits. */
  threads: z.coerce.number().int().min(1).max(256).default(1),
  /** Tokens, padding counted, that one batch of sampling or scoring holds: bounds memory. */
  batchTokens: z.coerce.number().int().min(1).default(8192),
});

export type WorkerConfig = z.infer<typeof workerConfigSchema>;
