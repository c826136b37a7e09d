import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelView } from '@solopo/contracts';
import { TEXT_FILES } from '@solopo/text';
import type { ApiClient } from '../client/api.client.ts';

const KNOWN = new Set<string>([...TEXT_FILES, 'model.safetensors.index.json']);

/** Uploads the files of a model folder that say something of the model, and registers them as one. */
export async function registerModel(api: ApiClient, name: string, folder: string): Promise<ModelView> {
  const files = (await filesOf(folder)).filter((file) => KNOWN.has(file) || file.endsWith('.safetensors')).sort();
  const digests: Record<string, string> = {};
  for (const file of files) digests[file] = (await api.uploadFile(join(folder, file))).digest;
  return api.createModel(name, digests);
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw new Error(`The model folder ${folder} cannot be read; name an existing one with --model.`, { cause: error });
  }
}
