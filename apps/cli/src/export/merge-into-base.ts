import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  adapterParameters,
  fromPeftNames,
  loraScale,
  mergeAdapter,
  mergeByName,
  parseAdapterConfig,
  readModelFolder,
  readSafetensors,
  readSafetensorsHeader,
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

/** What a merged model does not take from its base: weights, adapter, card and statement are its own. */
const LEFT_BEHIND =
  /\.(safetensors|bin|pt|pth|gguf)$|\.index\.json$|^(adapter_config\.json|README\.md|solopo\.intoto\.jsonl)$/;

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

  const { name, files: baseFiles, engines } = await api.model(baseModel);
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
  const changes = engines.includes('onnx') ? mergeAsRead(base, adapter, folder) : mergeAsStored(base, adapter, folder);
  await writeJson(join(folder, 'config.json'), { ...inFloat32(readJson(base, 'config.json')), ...changes });
  const card = files.find((file) => file.name === 'README.md')?.content;
  if (card) await writeFile(join(folder, 'README.md'), mergedCard(card));
  await Promise.all([rm(base, { recursive: true }), rm(adapter, { recursive: true })]);
  const kept = [...Object.keys(baseFiles).filter((file) => !LEFT_BEHIND.test(file)), ...files.map((file) => file.name)];
  return [...new Set([...kept.filter((file) => file !== ADAPTER && file !== ADAPTER_CONFIG), WEIGHTS])].sort();
}

/** Of a family whose files are read here: whatever PEFT can say of an adapter, and the tables as they count. */
function mergeAsRead(base: string, adapter: string, folder: string): Record<string, unknown> {
  const { config, weights } = readModelFolder(base);
  const trained = parseAdapterConfig(readJson(adapter, ADAPTER_CONFIG), config);
  const { tensors, metadata } = readSafetensors(join(adapter, ADAPTER));
  const merged = mergeAdapter(weights, trained, fromPeftNames(adapterParameters(config, trained), tensors));
  writeSafetensors(join(folder, WEIGHTS), merged, trainedOver(metadata));
  // As the base's tables are, whatever its config.json says of them.
  return { tie_word_embeddings: config.tiedEmbeddings };
}

/** Of any other model: by the names of its tensors. */
function mergeAsStored(base: string, adapter: string, folder: string): Record<string, unknown> {
  const { r, lora_alpha: alpha, use_rslora: rsLora } = readJson(adapter, ADAPTER_CONFIG);
  const scale = loraScale({ rank: Number(r), alpha: Number(alpha), rsLora: rsLora === true });
  const file = join(adapter, ADAPTER);
  mergeByName(base, { adapter: file, scale }, join(folder, WEIGHTS), trainedOver(readSafetensorsHeader(file).metadata));
  return {};
}

function trainedOver({ frozen_weights: format }: Readonly<Record<string, string>>): Record<string, string> {
  return format === undefined ? {} : { adapter_trained_over: format };
}

/** Newer files say `dtype`, older ones `torch_dtype`. */
function inFloat32(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { dtype, ...rest } = config;
  return { ...rest, ...(dtype === undefined ? {} : { dtype: 'float32' }), torch_dtype: 'float32' };
}

function readJson(folder: string, file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>;
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
