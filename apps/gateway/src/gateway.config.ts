import { divisorsInWords, ENGINES, MAX_NODES, MAX_RANKS, ONE_RANK, worldSize, type Pool } from '@solopo/contracts';
import { APPS } from '@solopo/functions';
import { jsonText, serviceConfigSchema } from '@solopo/platform';
import { samplersSchema } from '@solopo/sampling-server';
import { z } from 'zod';

const GB = 1e9;

const poolSchema = z
  .strictObject({
    name: z.string().min(1),
    app: z.enum(APPS),
    engines: z.array(z.enum(ENGINES)).min(1),
    ranks: z.int().min(1).max(MAX_RANKS).default(1),
    nodes: z.int().min(1).max(MAX_NODES).default(1),
    sequenceRanks: z.int().min(1).default(1),
  })
  .refine((pool) => worldSize(pool) === 1 || pool.engines.includes('torch'), {
    error: 'a pool of several ranks must have the engine torch, which alone computes over them',
  })
  .refine((pool) => worldSize(pool) % pool.sequenceRanks === 0, {
    error: ({ input }) =>
      `sequenceRanks must divide the ranks of the pool on all machines: ${divisorsInWords(worldSize(input as Pool))}`,
  });
const poolsSchema = z.array(poolSchema);

/** Where nobody says: every app has workers, and they have what every worker has. */
const USUAL_POOLS: readonly Pool[] = APPS.map((app) => ({ name: app, app, engines: ['onnx'], ...ONE_RANK }));

export const gatewayConfigSchema = serviceConfigSchema.extend({
  /** `auto`: tokens are asked for unless only this machine reaches the gateway. */
  auth: z.enum(['auto', 'required', 'off']).default('auto'),
  /** Has the scope `admin`: the first tokens are issued with it. */
  adminToken: z.string().min(32).max(1000).optional(),
  /** An Ed25519 private key in PEM: exports carry a statement that is signed with it. None without. */
  signingKey: z.string().min(1).optional(),
  artifactMaxBytes: z.coerce
    .number()
    .int()
    .min(1)
    .default(100 * GB),
  /** While a data set is imported it lies beside the artifacts. */
  datasetMaxBytes: z.coerce.number().int().min(1).default(GB),
  /** No new runs while so many messages wait for NATS. */
  outboxLimit: z.coerce.number().int().min(1).default(10_000),
  /**
   * The workers that there are or may be, as JSON: `[{"name":"datagen","app":"datagen","engines":["onnx","torch"]}, ...]`, with `ranks`,
   * `nodes` and `sequenceRanks` where they are not 1.
   */
  pools: jsonText('a list of pools')
    .pipe(poolsSchema)
    .default([...USUAL_POOLS] as z.infer<typeof poolsSchema>),
  /** The servers that runs may name as their sampler, as workers have them. */
  samplers: jsonText('a list of servers').pipe(samplersSchema).default([]),
  /** For an answer of the reward service to what a page asks. */
  inspectionMs: z.coerce.number().int().min(1).default(60_000),
  /** Between signs of life on an idle stream of events. */
  heartbeatMs: z.coerce.number().int().min(1).default(15_000),
  /** Streams of events that are open at once. */
  eventStreams: z.coerce.number().int().min(1).default(2000),
  /** Of them, those of one token, or of one address where no tokens are asked for. */
  eventStreamsPerClient: z.coerce.number().int().min(1).default(500),
  /** A client that takes nothing for so long of what waits for it is cut off; it may come back, and goes on where it was. */
  stalledMs: z.coerce.number().int().min(1).default(30_000),
  /** Between looks at the tokens of open streams: a stream outlives its token by so much at most. */
  tokenCheckMs: z.coerce.number().int().min(1).default(2000),
  /** A body that brings less than a kilobyte in so long, while it is waited for, is cut off. */
  slowBodyMs: z.coerce.number().int().min(1).default(20_000),
  /** Between looks for jobs that the queues lost. */
  sweepMs: z.coerce.number().int().min(100).default(10_000),
  /** Copies of a stream that is gone and made again, as the migrator has them. */
  streamReplicas: z.coerce.number().int().min(1).max(5).default(1),
  /** Where TensorBoard's event files of all runs are written. None without. */
  tensorboardFolder: z.string().min(1).optional(),
  /** A tracking server of MLflow that all runs are reported to. None without. */
  mlflowUrl: z.url({ protocol: /^https?$/ }).optional(),
  mlflowToken: z.string().min(1).optional(),
  mlflowExperiment: z.string().min(1).default('solopo'),
});

export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
