import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentName } from '@solopo/platform';
import { beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { z } from 'zod';
import { ROOT } from '../bootstrap/run.mjs';
import { CHART, manifests, needTools, type Manifest } from './chart.ts';
import { configSchemas } from './configs.ts';

interface ComposeService {
  readonly environment: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

interface Variable {
  readonly name: string;
  readonly value: string;
}

interface PodTemplate {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly containers: readonly { readonly env: readonly Variable[] }[] };
}

/** The environment of each app's containers, as the chart sets it. */
function environments(file: string): ReadonlyMap<string, readonly Variable[]> {
  const found = new Map<string, readonly Variable[]>();
  for (const manifest of manifests(['--values', join(CHART, 'ci', file)])) {
    const template = templateOf(manifest);
    const app = template?.metadata?.labels?.['solopo/app'];
    if (app !== undefined) found.set(app, template!.spec.containers[0]!.env);
  }
  return found;
}

/** Of a service's pods; of several nodes, the leader's. */
function templateOf({ kind, spec }: Manifest): PodTemplate | undefined {
  return (kind === 'LeaderWorkerSet' ? spec.leaderWorkerTemplate.leaderTemplate : spec?.template) as
    PodTemplate | undefined;
}

const ours = (variables: readonly Variable[]) =>
  variables.filter(({ name }) => name.startsWith('SOLOPO_')).map(({ name }) => name.replace(/_FILE$/, ''));

describe('deploy/compose.yaml', () => {
  it('gives every app what its schema needs, and nothing that it does not know', async () => {
    const schemas = await configSchemas();
    const file = readFileSync(join(ROOT, 'deploy', 'compose.yaml'), 'utf8');
    const { services } = parse(file, { merge: true }) as { services: Record<string, ComposeService> };
    // Of the image.
    const image = ['SOLOPO_HTTP_HOST', 'SOLOPO_HTTP_PORT', 'SOLOPO_ARTIFACTS'];
    // Of the command line in the gateway's container.
    const client = ['SOLOPO_API', 'SOLOPO_TOKEN'];
    for (const [app, schema] of Object.entries(schemas)) {
      const names = [...Object.keys(services[app]!.environment), ...image].filter((name) => !client.includes(name));
      const shape = schema.shape as Record<string, z.ZodType>;
      const keys = Object.keys(shape);
      const required = keys.filter((key) => !shape[key]!.safeParse(undefined).success);
      expect(names, app).toEqual(expect.arrayContaining(required.map(environmentName)));
      const unknown = names.filter((name) => !keys.map(environmentName).includes(name));
      expect(app === 'migrator' ? [] : unknown, app).toEqual([]);
      expect(services[app]!.command).toEqual([`apps/${app}/dist/main.js`]);
    }
  });
});

describe.each([
  'default-values.yaml',
  'gpu-values.yaml',
  'production-values.yaml',
  'bare-values.yaml',
  'nodes-values.yaml',
])('with ci/%s', (file) => {
  beforeEach(needTools);

  it('gives every app what its schema needs, each value such as it accepts, and nothing that it does not know', async () => {
    const schemas = await configSchemas();
    const found = environments(file);
    expect([...found.keys()].sort()).toEqual(
      Object.keys(schemas)
        .filter((app) => file !== 'bare-values.yaml' || app !== 'migrator')
        .sort(),
    );
    for (const [app, variables] of found) {
      const shape = schemas[app]!.shape as Record<string, z.ZodType>;
      const names = ours(variables);
      expect(new Set(names).size, app).toBe(names.length);
      const known = new Map(Object.keys(shape).map((key) => [environmentName(key), key]));
      expect([...known.keys()], app).toEqual(expect.arrayContaining(names));
      const required = Object.keys(shape).filter((key) => !shape[key]!.safeParse(undefined).success);
      expect(names, app).toEqual(expect.arrayContaining(required.map(environmentName)));
      for (const { name, value } of variables) {
        const key = known.get(name);
        if (key !== undefined) expect(shape[key]!.safeParse(value).error, `${app}: ${name}=${value}`).toBeUndefined();
      }
    }
  });
});

/** Of PyTorch on several ranks, which these pools do not have. */
const RANKS = ['ranks', 'nodes', 'rendezvous', 'sequenceRanks'];

it('can set every key of every schema', async (context) => {
  needTools(context);
  const schemas = await configSchemas();
  const given = environments('bare-values.yaml');
  for (const [app, variables] of given) {
    const keys = Object.keys(schemas[app]!.shape).filter((key) => !RANKS.includes(key));
    const names = keys.map(environmentName);
    expect(ours(variables).sort(), app).toEqual(names.sort());
  }
  const migrator = environments('default-values.yaml').get('migrator')!;
  expect(ours(migrator).sort()).toEqual(Object.keys(schemas['migrator']!.shape).map(environmentName).sort());
});

it('gives the leader of several nodes all that ranks are told by', (context) => {
  needTools(context);
  const names = ours(environments('nodes-values.yaml').get('trainer')!);
  expect(names).toEqual(expect.arrayContaining(RANKS.map(environmentName)));
});

it('gives the heap its part of the memory limit', (context) => {
  needTools(context);
  const heap = (app: string) =>
    environments('gpu-values.yaml')
      .get(app)!
      .find(({ name }) => name === 'NODE_OPTIONS')!.value;
  expect(heap('trainer')).toBe(`--max-old-space-size=${(64 * 1024) / 4}`);
  expect(heap('gateway')).toBe(`--max-old-space-size=${Math.floor(1024 * 0.7)}`);
});
