import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TEXT_FILES } from '@solopo/text';
import type { ApiClient } from '../client/api.client.ts';
import type { ModelView } from '../client/api.views.ts';
import { FileDigests } from './file-digests.ts';

const KNOWN = new Set<string>([...TEXT_FILES, 'model.safetensors.index.json', 'adapter_config.json']);

export interface Registration {
  readonly say?: (line: string) => void;
  /** What must hold before anything is sent; files are read meanwhile. */
  readonly before?: () => Promise<void>;
}

/** Uploads the files of a model folder that say something of the model, and registers them as one. What is there is not sent again. */
export async function registerModel(
  api: ApiClient,
  name: string,
  folder: string,
  { say = () => undefined, before = () => Promise.resolve() }: Registration = {},
): Promise<ModelView> {
  const files = (await filesOf(folder)).filter((file) => KNOWN.has(file) || file.endsWith('.safetensors')).sort();
  if (!files.includes('config.json'))
    throw new Error(`${folder} has no config.json; name a Hugging Face model folder.`);
  const known = new FileDigests(files.map((file) => join(folder, file)));
  try {
    await before();
    const digests: Record<string, string> = {};
    for (const file of files) {
      const path = join(folder, file);
      const digest = await known.of(path);
      const there = await api.hasArtifact(digest);
      say(`${file}: ${there ? 'there already' : 'uploading'}`);
      digests[file] = there ? digest : (await api.uploadFile(path)).digest;
    }
    return await api.createModel(name, digests);
  } finally {
    await known.close();
  }
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw new Error(`The model folder ${folder} cannot be read; name an existing one.`, { cause: error });
  }
}
