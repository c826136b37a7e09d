import { join } from 'node:path';
import { isBuffer } from '../buffers.ts';
import { ConfigReader } from '../config-reader.ts';
import { refuseOtherKinds } from '../model-config.ts';
import { hasAdapter, readJson, weightFiles } from '../model-folder.ts';
import { ModelError } from '../model.error.ts';
import { readSafetensorsHeader } from '../safetensors.ts';

/** A model of a family, or with a setting, that these graphs do not have: what its files say of it to a program that may have it. */
export interface ForeignModel {
  /** Why it is foreign. */
  readonly reason: string;
  /** `model_type`. */
  readonly family: string;
  /** Numbers in its safetensors files. */
  readonly parameters: number;
  readonly maxPositions: number | null;
  /** Of attention, where the configuration names them as most do. */
  readonly heads: number | null;
  readonly vocabSize: number;
  /** What an adapter can work on, by its files: the last parts of the names of matrices in its layers. */
  readonly linearLayers: readonly string[];
}

/**
 * @throws ModelError for what no program could train here: other kinds of models, weights that are not there, an adapter beside the weights
 */
export function readForeignModel(folder: string, reason: string): ForeignModel {
  const config = new ConfigReader(readJson(folder, 'config.json'));
  refuseOtherKinds(config);
  const family = config.get('model_type');
  if (typeof family !== 'string')
    throw new ModelError('config.json: model_type is missing, or no word; add it, or fetch the file again');
  if (hasAdapter(folder))
    throw new ModelError(
      `a PEFT adapter beside a model of ${family} is not merged; merge the two first (merge_and_unload of PEFT), and register the result`,
    );
  const tensors = weightFiles(folder).flatMap((file) => [
    ...readSafetensorsHeader(join(folder, file), isBuffer).tensors,
  ]);
  return {
    reason,
    family,
    parameters: tensors.reduce((sum, [, { dims }]) => sum + dims.reduce((product, size) => product * size, 1), 0),
    maxPositions: config.optionalWhole('max_position_embeddings'),
    heads: config.optionalWhole('num_attention_heads'),
    vocabSize: config.whole('vocab_size'),
    linearLayers: linearLayersOf(tensors),
  };
}

/** Layers are numbered: tables of tokens and positions, and the output, stand outside of them. */
const IN_LAYER = /\.\d+\.(?:.+\.)?([A-Za-z_]\w*)\.weight$/;

function linearLayersOf(tensors: readonly (readonly [name: string, { readonly dims: readonly number[] }])[]): string[] {
  const matrices = tensors.filter(([, { dims }]) => dims.length === 2);
  return [...new Set(matrices.flatMap(([name]) => IN_LAYER.exec(`.${name}`)?.[1] ?? []))].sort();
}
