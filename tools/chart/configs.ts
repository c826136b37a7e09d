import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serviceConfigSchema } from '@solopo/platform';
import { workerConfigSchema } from '@solopo/worker';
import { z } from 'zod';
import { ROOT } from '../bootstrap/run.mjs';

/** What the chart sets itself: addresses, ports, mounted secrets. Everything else is a value of it. */
export const DECIDED: readonly string[] = [
  'databaseUrl',
  'natsUrl',
  'artifacts',
  'artifactsEndpoint',
  'artifactsRegion',
  'artifactsPathStyle',
  'artifactsAccessKey',
  'artifactsSecretKey',
  'artifactsCache',
  'artifactsCacheMb',
  'httpHost',
  'httpPort',
  'adminToken',
  'mlflowToken',
  'signingKey',
  'streamReplicas',
  'pools',
  'engines',
  'ranks',
  'nodes',
  'rendezvous',
  'sequenceRanks',
];

/** The apps are no libraries: their schemas are read by path. */
async function schemaOf(file: string, name: string): Promise<z.ZodObject> {
  const module = (await import(pathToFileURL(join(ROOT, 'apps', file)).href)) as Record<string, z.ZodObject>;
  return module[name]!;
}

/** The configuration of each app, as it reads it from its environment. */
export async function configSchemas(): Promise<Record<string, z.ZodObject>> {
  return {
    gateway: await schemaOf('gateway/src/gateway.config.ts', 'gatewayConfigSchema'),
    migrator: await schemaOf('migrator/src/migrator.config.ts', 'migratorConfigSchema'),
    datagen: workerConfigSchema,
    reward: workerConfigSchema,
    trainer: workerConfigSchema,
  };
}

/** The values that stand for them, as definitions of values.schema.json: of all services, and of one kind alone. */
export async function configDefinitions(): Promise<Record<string, object>> {
  const { gateway, datagen } = await configSchemas();
  return {
    config: valuesOf(serviceConfigSchema),
    gatewayConfig: valuesOf(gateway!),
    workerConfig: valuesOf(datagen!),
  };
}

function valuesOf(schema: z.ZodObject): object {
  const { properties = {} } = z.toJSONSchema(schema, { target: 'draft-07', io: 'output', unrepresentable: 'any' });
  const free = Object.entries(properties).filter(([key]) => !DECIDED.includes(key));
  return { type: 'object', additionalProperties: false, properties: defaultsLeftOut(Object.fromEntries(free)) };
}

/** What has a default need not be there, in parts of a setting either. */
function defaultsLeftOut(properties: object): object {
  return JSON.parse(JSON.stringify(properties), (_, value: unknown) => {
    const { properties: own, required } = (value ?? {}) as {
      readonly properties?: Readonly<Record<string, object>>;
      readonly required?: readonly string[];
    };
    if (!own || !Array.isArray(required)) return value;
    return { ...(value as object), required: required.filter((key) => !('default' in (own[key as string] ?? {}))) };
  }) as object;
}
