import { createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inherited } from './service.environment.ts';
import { signingKey } from './signing.key.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'solopo-signing-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('is made once, also by two that start at the same time, and is for its owner alone to read', async () => {
  const data = join(folder, 'data');
  const named = { SOLOPO_SIGNING_KEY_FILE: join(data, 'signing-key.pem') };
  expect(await Promise.all([signingKey(data, {}), signingKey(data, {})])).toEqual([named, named]);
  const pem = await readFile(named.SOLOPO_SIGNING_KEY_FILE, 'utf8');
  expect(createPrivateKey(pem).asymmetricKeyType).toBe('ed25519');
  expect((await stat(named.SOLOPO_SIGNING_KEY_FILE)).mode & 0o777).toBe(0o600);
  expect(await signingKey(data, {})).toEqual(named);
  expect(await readFile(named.SOLOPO_SIGNING_KEY_FILE, 'utf8')).toBe(pem);
});

it('of the environment goes before, and is for the gateway alone', async () => {
  const env = { SOLOPO_SIGNING_KEY_FILE: '/a/key.pem' };
  expect(await signingKey(folder, env)).toEqual({});
  await expect(stat(join(folder, 'signing-key.pem'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(inherited('gateway', env)).toEqual(env);
  expect(inherited('other', env)).toEqual({});
});
