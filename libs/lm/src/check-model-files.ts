import { join } from 'node:path';
import type { ModelConfig } from './model-config.ts';
import { fromPeftNames } from './lora.ts';
import { ADAPTER, checkWeights, hasAdapter, readAdapterConfig, readModelConfig, weightFiles } from './model-folder.ts';
import { ModelError } from './model.error.ts';
import { readSafetensorsHeader } from './safetensors.ts';

/**
 * Whether a Hugging Face folder holds a whole model, from config.json and the headers of its weights alone: fast
 * whatever the model's size.
 * @throws ModelError that names the file, setting or tensor that is missing, unknown or of the wrong shape.
 */
export function checkModelFiles(folder: string): ModelConfig {
  const config = readModelConfig(folder);
  const tensors = new Map(
    weightFiles(folder).flatMap((file) => [...readSafetensorsHeader(join(folder, file)).tensors]),
  );
  if (config.layers > tensors.size) {
    throw new ModelError(
      `config.json: num_hidden_layers is ${config.layers}, the model's safetensors files have only ${tensors.size} tensors`,
    );
  }
  checkWeights(config, tensors);
  if (hasAdapter(folder))
    fromPeftNames(config, readAdapterConfig(folder), readSafetensorsHeader(join(folder, ADAPTER)).tensors);
  return config;
}
