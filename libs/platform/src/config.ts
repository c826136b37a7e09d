import { readFileSync } from 'node:fs';
import { SolopoError } from '@solopo/contracts';
import { z } from 'zod';

/** What every service needs. An app extends it: `serviceConfigSchema.extend({ threads: z.coerce.number() })`. */
export const serviceConfigSchema = z.strictObject({
  databaseUrl: z.url({ protocol: /^postgres(ql)?$/ }),
  /** HOST:PORT of Postgres itself, where `databaseUrl` is a pooler's: the outbox is listened to there, and polled without it. */
  databaseDirectHost: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[^\s:/@[\]]+)(:\d{1,5})?$/i, 'must be HOST or HOST:PORT')
    .optional(),
  /** For a connection to the database, and for the answer to a statement; ten times that for reading all of a run. */
  databaseLimitMs: z.coerce.number().int().min(100).default(20_000),
  natsUrl: z.url({ protocol: /^(nats|tls)$/ }),
  /** The directory of the artifacts, which all services share; or a bucket, `s3://BUCKET/PREFIX`, which the next ones are for. */
  artifacts: z.string().min(1),
  /** Of a server of one's own. Without it, Amazon's of the region. */
  artifactsEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  artifactsRegion: z.string().min(1).optional(),
  /** Whether the bucket is in the path of an address, or in its host's name. `auto`: in the path where there is an endpoint. */
  artifactsPathStyle: z.enum(['auto', 'on', 'off']).default('auto'),
  /** Both, or neither: then Amazon's SDK looks for them where it always does, in the environment, in files, at the pod's role. */
  artifactsAccessKey: z.string().min(1).optional(),
  artifactsSecretKey: z.string().min(1).optional(),
  /** Where copies of what is used lie. A folder of the system's temporary one without it. */
  artifactsCache: z.string().min(1).optional(),
  /** What they may take, in 10^6 bytes: what one job uses and makes at the least. */
  artifactsCacheMb: z.coerce.number().int().min(1).default(20_000),
  httpHost: z.string().min(1).default('127.0.0.1'),
  /** 0: any free port. */
  httpPort: z.coerce.number().int().min(0).max(65_535).default(0),
  /** For the headers of a request to arrive: who sends them byte by byte is cut off. */
  headersMs: z.coerce.number().int().min(1).default(15_000),
  /** A collector of traces, which takes OTLP over HTTP: `http://collector:4318`. Without one there are no traces. */
  otlpUrl: z.url({ protocol: /^https?$/ }).optional(),
  /** Share of the traces that are kept, decided where they begin. */
  traceRatio: z.coerce.number().min(0).max(1).default(1),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type ServiceConfig = z.infer<typeof serviceConfigSchema>;

/** `databaseUrl` -> `SOLOPO_DATABASE_URL`. */
export function environmentName(key: string): string {
  return `SOLOPO_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/**
 * Reads each key of the schema from its environment variable, or from the file that `<NAME>_FILE` names (a mounted
 * secret). The result is frozen. A failure lists variables and reasons, never values.
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  env: NodeJS.ProcessEnv = process.env,
): Readonly<z.infer<S>> {
  const input: Record<string, string> = {};
  for (const key of Object.keys(schema.shape)) {
    const value = readVariable(environmentName(key), env);
    if (value !== undefined && value !== '') input[key] = value;
  }
  const result = schema.safeParse(input, { reportInput: false });
  if (result.success) return Object.freeze(result.data);

  const reasons = result.error.issues.map(({ path, message }) => {
    const key = String(path[0] ?? '');
    return `  ${environmentName(key)}: ${key in input ? message : 'is not set'}`;
  });
  throw new SolopoError(
    'config-invalid',
    `The environment is not complete; set these variables:\n${reasons.join('\n')}`,
  );
}

function readVariable(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const file = env[`${name}_FILE`];
  if (env[name] !== undefined || file === undefined) return env[name];
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new SolopoError('config-invalid', `${name}_FILE names a file that cannot be read; mount it or set ${name}.`, {
      cause: error,
    });
  }
}
