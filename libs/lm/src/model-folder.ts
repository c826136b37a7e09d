import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromPeftNames, mergeLora, parseAdapterConfig, type LoraOptions } from './lora.ts';
import { parseModelConfig, type ModelConfig } from './model-config.ts';
import { ModelError } from './model.error.ts';
import { modelParameters, OUTPUT } from './parameters.ts';
import { packWeight, type FrozenWeights, type StoredTensor } from './frozen-weights.ts';
import { readSafetensors, type HostTensor } from './safetensors.ts';

/**
 * Reads a Hugging Face model folder: config.json and model.safetensors, or the shards that
 * model.safetensors.index.json names; a PEFT adapter beside them is merged.
 * @throws ModelError that names the file, setting or tensor that is missing, unknown or of the wrong shape.
 */
export function readModelFolder(folder: string): { config: ModelConfig; weights: Map<string, HostTensor> } {
  const config = readModelConfig(folder);
  const tensors = new Map(weightFiles(folder).flatMap((file) => [...readSafetensors(join(folder, file)).tensors]));
  const weights = checkWeights(config, tensors);
  if (!hasAdapter(folder)) return { config, weights };
  const options = readAdapterConfig(folder);
  const adapter = fromPeftNames(config, options, readSafetensors(join(folder, ADAPTER)).tensors);
  return { config, weights: mergeLora(weights, options, adapter) };
}

/** As readModelFolder, with the linear layers' weights in a format; one is packed before the next is read, where it can be. */
export function readStoredFolder(
  folder: string,
  format: FrozenWeights,
): { config: ModelConfig; weights: Map<string, StoredTensor> } {
  if (format === 'float32' || hasAdapter(folder)) return readModelFolder(folder);
  const config = readModelConfig(folder);
  const pack = (name: string, tensor: HostTensor): StoredTensor => packWeight(name, tensor, format);
  const tensors = new Map(
    weightFiles(folder).flatMap((file) => [...readSafetensors(join(folder, file), pack).tensors]),
  );
  return { config, weights: checkWeights(config, tensors) };
}

export const ADAPTER = 'adapter_model.safetensors';

/** A folder may hold a PEFT adapter beside its base model: the model is then the two merged. */
export function hasAdapter(folder: string): boolean {
  return existsSync(join(folder, ADAPTER)) || existsSync(join(folder, 'adapter_config.json'));
}

export function readAdapterConfig(folder: string): LoraOptions {
  if (!existsSync(join(folder, ADAPTER)))
    throw new ModelError(`${ADAPTER} is missing from the model folder, which has an adapter_config.json`);
  return parseAdapterConfig(readJson(folder, 'adapter_config.json'));
}

export function readModelConfig(folder: string): ModelConfig {
  return parseModelConfig(readJson(folder, 'config.json'));
}

/** The model's parameters in their fixed order; nothing missing, nothing unknown, every shape right. */
export function checkWeights<T extends Pick<HostTensor, 'dims'>>(
  config: ModelConfig,
  tensors: ReadonlyMap<string, T>,
): Map<string, T> {
  const wanted = modelParameters(config);
  const known = new Set(wanted.map(([name]) => name));
  // A tied model may carry its output table a second time; the embedding is the one that counts.
  const unknown = [...tensors.keys()].find((name) => !known.has(name) && !(config.tiedEmbeddings && name === OUTPUT));
  if (unknown)
    throw new ModelError(
      `tensor "${unknown}" does not belong to a ${config.family} model of ${config.layers} layers; check config.json`,
    );
  return new Map(
    wanted.map(([name, dims]) => {
      const tensor = tensors.get(name);
      if (!tensor) throw new ModelError(`tensor "${name}" is missing from the model's safetensors files`);
      if (tensor.dims.join() !== dims.join()) {
        throw new ModelError(
          `tensor "${name}" has shape [${tensor.dims.join(', ')}], config.json asks for [${dims.join(', ')}]`,
        );
      }
      return [name, tensor];
    }),
  );
}

/** The folder's safetensors files. */
export function weightFiles(folder: string): string[] {
  if (existsSync(join(folder, 'model.safetensors'))) return ['model.safetensors'];
  if (!existsSync(join(folder, 'model.safetensors.index.json'))) {
    throw new ModelError(
      'the model folder has neither model.safetensors nor model.safetensors.index.json; other weight formats are not read',
    );
  }
  const index = readJson(folder, 'model.safetensors.index.json') as { weight_map?: Record<string, unknown> } | null;
  const files = [...new Set(Object.values(index?.weight_map ?? {}))].filter((file) => typeof file === 'string');
  if (files.length === 0)
    throw new ModelError('model.safetensors.index.json has no weight_map of tensor names to files');
  const missing = files.find((file) => file.includes('/') || !existsSync(join(folder, file)));
  if (missing) throw new ModelError(`${missing}, named by model.safetensors.index.json, is not in the model folder`);
  return files;
}

function readJson(folder: string, file: string): unknown {
  const path = join(folder, file);
  if (!existsSync(path)) throw new ModelError(`${file} is missing from the model folder`);
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ModelError(`${file} is not valid JSON`, { cause: error });
  }
}
