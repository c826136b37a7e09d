import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { environmentName, loadConfig, serviceConfigSchema } from './config.ts';

const GOOD = {
  SOLOPO_DATABASE_URL: 'postgres://solopo:hunter2@127.0.0.1:5432/solopo',
  SOLOPO_NATS_URL: 'nats://127.0.0.1:4222',
  SOLOPO_ARTIFACTS: '/var/lib/solopo',
};

describe('loadConfig', () => {
  it('reads, defaults, extends and freezes', () => {
    const config = loadConfig(serviceConfigSchema.extend({ threads: z.coerce.number().int().min(1) }), {
      ...GOOD,
      SOLOPO_THREADS: '2',
      SOLOPO_HTTP_PORT: '8080',
      PATH: '/bin',
    });
    expect(config).toMatchObject({
      natsUrl: 'nats://127.0.0.1:4222',
      httpHost: '127.0.0.1',
      httpPort: 8080,
      logLevel: 'info',
      threads: 2,
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(environmentName('databaseUrl')).toBe('SOLOPO_DATABASE_URL');
  });

  it('lists every variable with its reason and never a value', () => {
    const load = () =>
      loadConfig(serviceConfigSchema, {
        SOLOPO_DATABASE_URL: 'mysql://root:hunter2@db',
        SOLOPO_HTTP_PORT: 'eighty',
        SOLOPO_NATS_URL: '',
      });
    expect(load).toThrow(
      /SOLOPO_DATABASE_URL: [^]*SOLOPO_NATS_URL: is not set[^]*SOLOPO_ARTIFACTS: is not set[^]*SOLOPO_HTTP_PORT: /,
    );
    expect(load).not.toThrow(/hunter2|eighty/);
  });

  it('takes a secret from the file that a mount provides', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'solopo-config-'));
    const file = join(folder, 'database-url');
    await writeFile(file, `${GOOD.SOLOPO_DATABASE_URL}\n`);
    const { SOLOPO_DATABASE_URL: expected, ...rest } = GOOD;
    expect(loadConfig(serviceConfigSchema, { ...rest, SOLOPO_DATABASE_URL_FILE: file }).databaseUrl).toBe(expected);
    await rm(folder, { recursive: true });
    expect(() => loadConfig(serviceConfigSchema, { ...rest, SOLOPO_DATABASE_URL_FILE: file })).toThrow(
      /SOLOPO_DATABASE_URL_FILE/,
    );
  });
});
