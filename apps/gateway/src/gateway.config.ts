import { ENGINES, type Pool } from '@solopo/contracts';
import { APPS } from '@solopo/functions';
import { jsonText, serviceConfigSchema } from '@solopo/platform';
import { samplersSchema } from '@solopo/sampling-server';
import { z } from 'zod';

const GB = 1e9;

const poolsSchema = z.array(
  z.strictObject({ name: z.string().min(1), app: z.enum(APPS), engines: z.array(z.enum(ENGINES)).min(1) }),
);

/** Where nobody says: every app has workers, and they have what every worker has. */
const USUAL_POOLS: readonly Pool[] = APPS.map((app) => ({ name: app, app, engines: ['onnx'] }));

export const gatewayConfigSchema = serviceConfigSchema.extend({
  /** `auto`: tokens are asked for unless only this machine reaches the gateway. */
  auth: z.enum(['auto', 'required', 'off']).default('auto'),
  /** Has the scope `admin`: the first tokens are issued with it. */
  adminToken: z.string().min(32).max(1000).optional(),
  artifactMaxBytes: z.coerce
    .number()
    .int()
    .min(1)
    .default(100 * GB),
  /** While a data set is imported it lies beside the artifacts. */
  datasetMaxBytes: z.coerce.number().int().min(1).default(GB),
  /** No new runs while so many messages wait for NATS. */
  outboxLimit: z.coerce.number().int().min(1).default(10_000),
  /** The workers that there are or may be, as JSON: `[{"name":"datagen","app":"datagen","engines":["onnx","torch"]}, ...]`. */
  pools: jsonText('a list of pools')
    .pipe(poolsSchema)
    .default([...USUAL_POOLS] as z.infer<typeof poolsSchema>),
  /** The servers that runs may name as their sampler, as workers have them. */
  samplers: jsonText('a list of servers').pipe(samplersSchema).default([]),
  /** For an answer of the reward service to what a page asks. */
  inspectionMs: z.coerce.number().int().min(1).default(60_000),
  /** Between signs of life on an idle stream of events. */
  heartbeatMs: z.coerce.number().int().min(1).default(15_000),
  /** Where TensorBoard's event files of all runs are written. None without. */
  tensorboardFolder: z.string().min(1).optional(),
  /** A tracking server of MLflow that all runs are reported to. None without. */
  mlflowUrl: z.url({ protocol: /^https?$/ }).optional(),
  mlflowToken: z.string().min(1).optional(),
  mlflowExperiment: z.string().min(1).default('solopo'),
});

export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
