import { serviceConfigSchema } from '@solopo/platform';
import { z } from 'zod';

const { databaseUrl } = serviceConfigSchema.shape;

export const migratorConfigSchema = serviceConfigSchema
  .pick({ databaseUrl: true, natsUrl: true, logLevel: true })
  .extend({
    /** Copies of each stream: 3 on a NATS cluster. */
    streamReplicas: z.coerce.number().int().min(1).max(5).default(1),
    /** The addresses of those who have a login of their own; without one its service has the migrator's, and may do everything. */
    gatewayDatabaseUrl: databaseUrl.optional(),
    datagenDatabaseUrl: databaseUrl.optional(),
    rewardDatabaseUrl: databaseUrl.optional(),
    trainerDatabaseUrl: databaseUrl.optional(),
    retentionDatabaseUrl: databaseUrl.optional(),
  });

export type MigratorConfig = z.infer<typeof migratorConfigSchema>;
