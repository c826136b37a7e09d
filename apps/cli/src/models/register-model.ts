import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TEXT_FILES } from '@solopo/text';
import type { ApiClient } from '../client/api.client.ts';
import type { ModelView } from '../client/api.views.ts';
import { FileDigests } from './file-digests.ts';
import { FiniteWeights, type WeightFile } from './finite-weights.ts';

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
  let weights: FiniteWeights | undefined;
  try {
    await before();
    const read = await weightFilesOf(folder);
    weights = new FiniteWeights(read);
    const digests: Record<string, string> = {};
    for (const file of files) {
      const path = join(folder, file);
      const digest = await known.of(path);
      if (read.some((each) => each.path === path)) demandFinite(file, await weights.of(path));
      const there = await api.hasArtifact(digest);
      say(`${file}: ${there ? 'there already' : 'uploading'}`);
      digests[file] = there ? digest : (await api.uploadFile(path)).digest;
    }
    return await api.createModel(name, digests);
  } finally {
    await Promise.all([known.close(), weights?.close()]);
  }
}

async function weightFilesOf(folder: string): Promise<WeightFile[]> {
  const { weightTensors } = await import('@solopo/lm/model-folder');
  return [...weightTensors(folder)].map(([file, tensors]) => ({
    path: join(folder, file),
    tensors: [...tensors].map(([name, { dtype, from, to }]) => ({ name, dtype, from, to })),
  }));
}

/** Answers of such a model are no numbers, and its training ends with the first step. */
function demandFinite(file: string, tensor: string | null): void {
  if (tensor === null) return;
  throw new Error(
    `${file}: tensor "${tensor}" has numbers that are NaN or infinite; fetch the file again or, where it was trained or converted so, take a version from before.`,
  );
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw new Error(`The model folder ${folder} cannot be read; name an existing one.`, { cause: error });
  }
}
