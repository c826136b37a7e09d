import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STATEMENT_FILE } from '@solopo/contracts';
import type { ApiClient } from '../client/api.client.ts';
import { ApiError } from '../client/api.error.ts';
import type { PolicyManifest } from '../client/api.views.ts';
import { fileDigest } from '../file-digest.ts';

/** Has the system sign what the merged folder was made of. Whether it did: it may have no key, or let this caller only read. */
export async function stateMerged(
  api: ApiClient,
  { run, step }: PolicyManifest,
  folder: string,
  names: readonly string[],
  say: (line: string) => void,
): Promise<boolean> {
  const files = await Promise.all(names.map(async (name) => ({ name, digest: await fileDigest(join(folder, name)) })));
  try {
    const envelope = await api.stateMergedPolicy(run, step, files);
    await writeFile(join(folder, STATEMENT_FILE), `${JSON.stringify(envelope)}\n`);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError) || ![403, 404].includes(error.status)) throw error;
    say(`warning: the folder has no signed statement: ${error.message}`);
    return false;
  }
}
