import { join } from 'node:path';
import { isBuffer } from './buffers.ts';
import { fromPeftNames } from './lora.ts';
import type { ModelConfig } from './model-config.ts';
import { ADAPTER, checkWeights, hasAdapter, readAdapterConfig, readModelConfig, weightFiles } from './model-folder.ts';
import { ModelError } from './model.error.ts';
import { adapterParameters } from './peft-adapter.ts';
import { equalTensors, readSafetensorsHeader, type StoredEntry } from './safetensors.ts';
import { resolveTies } from './tied-tables.ts';

/** What the files of a folder are. */
export interface ModelFiles {
  readonly config: ModelConfig;
  /** Tensors that no part of the model reads: buffers of older programs. */
  readonly ignored: readonly string[];
  /** config.json says that the output table is the embedding, and the files hold another: theirs counts. */
  readonly untied: boolean;
}

/**
 * Whether a Hugging Face folder holds a whole model, from config.json and the headers of its weights alone: fast
 * whatever the model's size. Only two tables of which one should be enough are read and compared.
 * @throws ModelError that names the file, setting or tensor that is missing, unknown or of the wrong shape.
 */
export function inspectModelFiles(folder: string): ModelFiles {
  const said = readModelConfig(folder);
  const headers = weightFiles(folder).map((file) => {
    const path = join(folder, file);
    return { path, ...readSafetensorsHeader(path, isBuffer) };
  });
  const tensors = new Map(
    headers.flatMap(({ path, tensors }) =>
      [...tensors].map(([name, entry]) => [name, { dims: entry.dims, path, entry }] as const),
    ),
  );
  if (said.layers > tensors.size) {
    throw new ModelError(
      `config.json: num_hidden_layers is ${said.layers}, the model's safetensors files have only ${tensors.size} tensors; take both files from one model`,
    );
  }
  const { config, tensors: own } = resolveTies<Stored>(said, tensors, equalTensors);
  checkWeights(config, own);
  if (hasAdapter(folder))
    fromPeftNames(
      adapterParameters(config, readAdapterConfig(folder, config)),
      readSafetensorsHeader(join(folder, ADAPTER)).tensors,
    );
  return {
    config,
    ignored: headers.flatMap(({ skipped }) => skipped),
    untied: said.tiedEmbeddings && !config.tiedEmbeddings,
  };
}

interface Stored extends StoredEntry {
  readonly dims: readonly number[];
}
