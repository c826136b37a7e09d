import { serviceConfigSchema } from '@solopo/platform';
import { z } from 'zod';

export const migratorConfigSchema = serviceConfigSchema
  .pick({ databaseUrl: true, natsUrl: true, logLevel: true })
  .extend({
    /** Copies of each stream: 3 on a NATS cluster. */
    streamReplicas: z.coerce.number().int().min(1).max(5).default(1),
  });

export type MigratorConfig = z.infer<typeof migratorConfigSchema>;
