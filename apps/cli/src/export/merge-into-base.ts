import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  adapterParameters,
  fromPeftNames,
  mergeAdapter,
  parseAdapterConfig,
  readModelFolder,
  readSafetensors,
  writeSafetensors,
} from '@solopo/lm';
import type { ApiClient } from '../client/api.client.ts';
import type { PolicyManifest } from '../client/api.views.ts';
import { download } from './download.ts';
import type { ExportOptions } from './export-policy.ts';
import { mergedCard } from './merged-card.ts';

const ADAPTER = 'adapter_model.safetensors';
const ADAPTER_CONFIG = 'adapter_config.json';
const WEIGHTS = 'model.safetensors';

/** What a merged model does not take from its base: weights, adapter and card are its own. */
const LEFT_BEHIND = /\.(safetensors|bin|pt|pth|gguf)$|\.index\.json$|^adapter_config\.json$|^README\.md$/;

/** Downloads the base model and the adapter, and writes the model that they are together: W + s B A, in float32. */
export async function mergeIntoBase(
  api: ApiClient,
  { baseModel, files }: PolicyManifest,
  folder: string,
  { say, signal }: Pick<ExportOptions, 'say' | 'signal'>,
): Promise<string[]> {
  const base = join(folder, '.base');
  const adapter = join(folder, '.adapter');
  await Promise.all([mkdir(base), mkdir(adapter)]);

  const { name, files: baseFiles } = await api.model(baseModel);
  for (const [file, digest] of Object.entries(baseFiles)) {
    say(`base model ${name}: ${file}`);
    await download(api, { name: file, digest, content: null }, base, signal);
    if (!LEFT_BEHIND.test(file)) await download(api, { name: file, digest, content: null }, folder, signal);
  }
  for (const file of files) {
    say(file.name);
    const isAdapter = file.name === ADAPTER || file.name === ADAPTER_CONFIG;
    await download(api, file, isAdapter ? adapter : folder, signal);
  }

  say(`merging into ${WEIGHTS}`);
  const { config, weights } = readModelFolder(base);
  const trained = parseAdapterConfig(await readJson(join(adapter, ADAPTER_CONFIG)), config);
  const { tensors, metadata } = readSafetensors(join(adapter, ADAPTER));
  const merged = mergeAdapter(weights, trained, fromPeftNames(adapterParameters(config, trained), tensors));
  const trainedOver = metadata['frozen_weights'];
  writeSafetensors(
    join(folder, WEIGHTS),
    merged,
    trainedOver === undefined ? {} : { adapter_trained_over: trainedOver },
  );
  await writeJson(join(folder, 'config.json'), {
    ...inFloat32(await readJson(join(base, 'config.json'))),
    // As the base's tables are, whatever its config.json says of them.
    tie_word_embeddings: config.tiedEmbeddings,
  });
  const card = files.find((file) => file.name === 'README.md')?.content;
  if (card) await writeFile(join(folder, 'README.md'), mergedCard(card));
  await Promise.all([rm(base, { recursive: true }), rm(adapter, { recursive: true })]);
  const kept = [...Object.keys(baseFiles).filter((file) => !LEFT_BEHIND.test(file)), ...files.map((file) => file.name)];
  return [...new Set([...kept.filter((file) => file !== ADAPTER && file !== ADAPTER_CONFIG), WEIGHTS])].sort();
}

/** Newer files say `dtype`, older ones `torch_dtype`. */
function inFloat32(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { dtype, ...rest } = config;
  return { ...rest, ...(dtype === undefined ? {} : { dtype: 'float32' }), torch_dtype: 'float32' };
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
