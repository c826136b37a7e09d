import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What tells the gateway its key to sign exports with: what the environment names, else one in the data folder, made on first use for
 * its owner alone to read.
 */
export async function signingKey(dataDir: string, env: NodeJS.ProcessEnv = process.env): Promise<NodeJS.ProcessEnv> {
  if (env['SOLOPO_SIGNING_KEY'] !== undefined || env['SOLOPO_SIGNING_KEY_FILE'] !== undefined) return {};
  const path = join(dataDir, 'signing-key.pem');
  const { privateKey } = generateKeyPairSync('ed25519');
  await mkdir(dataDir, { recursive: true });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFile(path, pem, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return { SOLOPO_SIGNING_KEY_FILE: path };
}
