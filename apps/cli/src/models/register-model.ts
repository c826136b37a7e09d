import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TEXT_FILES } from '@solopo/text';
import type { ApiClient } from '../client/api.client.ts';
import { fileDigest } from '../file-digest.ts';
import type { ModelView } from '../client/api.views.ts';

const KNOWN = new Set<string>([...TEXT_FILES, 'model.safetensors.index.json', 'adapter_config.json']);

/** Uploads the files of a model folder that say something of the model, and registers them as one. What is there is not sent again. */
export async function registerModel(
  api: ApiClient,
  name: string,
  folder: string,
  say: (line: string) => void = () => undefined,
): Promise<ModelView> {
  const files = (await filesOf(folder)).filter((file) => KNOWN.has(file) || file.endsWith('.safetensors')).sort();
  if (!files.includes('config.json'))
    throw new Error(`${folder} has no config.json; name a Hugging Face model folder.`);
  const digests: Record<string, string> = {};
  for (const file of files) {
    const path = join(folder, file);
    const digest = await fileDigest(path);
    const there = await api.hasArtifact(digest);
    say(`${file}: ${there ? 'there already' : 'uploading'}`);
    digests[file] = there ? digest : (await api.uploadFile(path)).digest;
  }
  return api.createModel(name, digests);
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw new Error(`The model folder ${folder} cannot be read; name an existing one.`, { cause: error });
  }
}
