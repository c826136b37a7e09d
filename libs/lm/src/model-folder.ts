import { closeSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonText } from '@solopo/text';
import { parseAdapterConfig } from './adapter-config.ts';
import { isBuffer } from './buffers.ts';
import { packWeight, type FrozenWeights, type StoredTensor } from './frozen-weights.ts';
import { fromPeftNames } from './lora.ts';
import { idleModelSettings, parseModelConfig, type ModelConfig } from './model-config.ts';
import { ModelError } from './model.error.ts';
import { openFile } from './open-file.ts';
import { modelParameters, OUTPUT } from './parameters.ts';
import { adapterParameters, mergeAdapter, type PeftAdapter } from './peft-adapter.ts';
import { readSafetensors, readSafetensorsHeader, type HostTensor, type TensorEntry } from './safetensors.ts';
import { equalTables, resolveTies } from './tied-tables.ts';

/**
 * Reads a Hugging Face model folder: config.json and model.safetensors, or the shards that
 * model.safetensors.index.json names; a PEFT adapter beside them is merged.
 * @throws ModelError that names the file, setting or tensor that is missing, unknown or of the wrong shape.
 */
export function readModelFolder(folder: string): FolderModel<HostTensor> {
  const { config, weights } = readFolder<HostTensor>(folder, (_, tensor) => tensor);
  if (!hasAdapter(folder)) return { config, weights };
  const adapter = readAdapterConfig(folder, config);
  const { tensors } = readSafetensors(join(folder, ADAPTER));
  return {
    config,
    weights: mergeAdapter(weights, adapter, fromPeftNames(adapterParameters(config, adapter), tensors)),
  };
}

/** As readModelFolder, with the linear layers' weights in a format; one is packed before the next is read, where it can be. */
export function readStoredFolder(folder: string, format: FrozenWeights): FolderModel<StoredTensor> {
  if (format === 'float32' || hasAdapter(folder)) return readModelFolder(folder);
  return readFolder<StoredTensor>(folder, (name, tensor) => packWeight(name, tensor, format));
}

interface FolderModel<T> {
  readonly config: ModelConfig;
  readonly weights: Map<string, T>;
}

function readFolder<T extends StoredTensor>(
  folder: string,
  keep: (name: string, tensor: HostTensor) => T,
): FolderModel<T> {
  const tensors = weightFiles(folder).flatMap((file) => [
    ...readSafetensors<T>(join(folder, file), keep, isBuffer).tensors,
  ]);
  return modelOf(readModelConfig(folder), new Map(tensors));
}

/** The model that a config.json and the tensors of a file are: its tables tied or not as the tensors say. */
export function modelOf<T extends StoredTensor>(config: ModelConfig, tensors: ReadonlyMap<string, T>): FolderModel<T> {
  const resolved = resolveTies(config, tensors, equalTables);
  return { config: resolved.config, weights: checkWeights(resolved.config, resolved.tensors) };
}

export const ADAPTER = 'adapter_model.safetensors';

/** A folder may hold a PEFT adapter beside its base model: the model is then the two merged. */
export function hasAdapter(folder: string): boolean {
  return existsSync(join(folder, ADAPTER)) || existsSync(join(folder, 'adapter_config.json'));
}

export function readAdapterConfig(folder: string, base: ModelConfig): PeftAdapter {
  if (!existsSync(join(folder, ADAPTER)))
    throw new ModelError(
      `${ADAPTER} is missing from the model folder, which has an adapter_config.json; copy it there, or take that away`,
    );
  return parseAdapterConfig(readJson(folder, 'adapter_config.json'), base);
}

export function readModelConfig(folder: string): ModelConfig {
  return parseModelConfig(readJson(folder, 'config.json'));
}

/** Settings of config.json that change nothing here, with the reason. */
export function idleSettingsOf(folder: string): [key: string, why: string][] {
  return idleModelSettings(readJson(folder, 'config.json'));
}

/** The model's parameters in their fixed order; nothing missing, nothing unknown, every shape right. */
export function checkWeights<T extends Pick<HostTensor, 'dims'>>(
  config: ModelConfig,
  tensors: ReadonlyMap<string, T>,
): Map<string, T> {
  const wanted = modelParameters(config);
  const known = new Set(wanted.map(([name]) => name));
  const unknown = [...tensors.keys()].find((name) => !known.has(name));
  if (unknown)
    throw new ModelError(
      `tensor "${unknown}" does not belong to a ${config.family} model of ${config.layers} layers; check config.json`,
    );
  return new Map(
    wanted.map(([name, dims]) => {
      const tensor = tensors.get(name);
      if (!tensor)
        throw new ModelError(
          `tensor "${name}" is missing from the model's safetensors files; ${untiedHint(config, name)}`,
        );
      if (tensor.dims.join() !== dims.join()) {
        throw new ModelError(
          `tensor "${name}" has shape [${tensor.dims.join(', ')}], config.json asks for [${dims.join(', ')}]; take both files from one model`,
        );
      }
      return [name, tensor];
    }),
  );
}

/** transformers makes up a random table, with a warning. */
function untiedHint({ tiedEmbeddings }: ModelConfig, name: string): string {
  return name === OUTPUT && !tiedEmbeddings
    ? 'if the embedding is the output table too, set tie_word_embeddings to true in config.json'
    : 'fetch them again, or correct config.json';
}

/** The folder's safetensors files, by name: where two hold a tensor the later one's counts, as in transformers. */
export function weightFiles(folder: string): string[] {
  if (existsSync(join(folder, 'model.safetensors'))) return ['model.safetensors'];
  if (!existsSync(join(folder, 'model.safetensors.index.json'))) {
    throw new ModelError(
      'the model folder has neither model.safetensors nor model.safetensors.index.json; other weight formats are not read: save the model as safetensors',
    );
  }
  const index = readJson(folder, 'model.safetensors.index.json') as { weight_map?: Record<string, unknown> } | null;
  const files = [...new Set(Object.values(index?.weight_map ?? {}))].filter((file) => typeof file === 'string');
  if (files.length === 0)
    throw new ModelError('model.safetensors.index.json has no weight_map of tensor names to files; fetch it again');
  const missing = files.find((file) => file.includes('/') || !existsSync(join(folder, file)));
  if (missing)
    throw new ModelError(`${missing}, named by model.safetensors.index.json, is not in the model folder; fetch it too`);
  return files.sort();
}

/** The model's tensors by file, an adapter's too, without the numbers: buffers of older programs apart. */
export function weightTensors(folder: string): ReadonlyMap<string, ReadonlyMap<string, TensorEntry>> {
  const files = [...weightFiles(folder), ...(existsSync(join(folder, ADAPTER)) ? [ADAPTER] : [])];
  return new Map(files.map((file) => [file, readSafetensorsHeader(join(folder, file), isBuffer).tensors]));
}

function textOf(path: string): string {
  const file = openFile(path);
  try {
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

export function readJson(folder: string, file: string): unknown {
  const path = join(folder, file);
  if (!existsSync(path))
    throw new ModelError(`${file} is missing from the model folder; copy it there from the model's published files`);
  const read = readJsonText(textOf(path));
  if ('fault' in read) throw new ModelError(`${file}: ${read.fault}`);
  return read.value;
}
