import { join } from 'node:path';
import { isBuffer } from '../buffers.ts';
import type { ModelFiles } from '../check-model-files.ts';
import type { ModelConfig } from '../model-config.ts';
import { weightFiles } from '../model-folder.ts';
import { OUTPUT } from '../parameters.ts';
import { readSafetensorsHeader } from '../safetensors.ts';
import type { Ignored } from './folder-check.ts';

/** Weights as they lie in their files. */
export interface StoredWeights {
  readonly bytes: number;
  readonly types: readonly StoredType[];
  /**
   * The output layer: the embedding, a table of its own, the embedding once more in the files of a tied model, or another
   * table there, which counts.
   */
  readonly head: 'tied' | 'own' | 'tied, and stored' | 'own, though tied';
}

export interface StoredType {
  /** F32, BF16 and F16; in GGUF files the blocks' types, such as Q4_1. */
  readonly type: string;
  readonly tensors: number;
  readonly parameters: number;
}

export function storedWeights(
  folder: string,
  { tiedEmbeddings: isSaidTied }: ModelConfig,
  { untied }: ModelFiles,
): { weights: StoredWeights; ignored: Ignored[] } {
  const headers = weightFiles(folder).map((file) => ({
    file,
    ...readSafetensorsHeader(join(folder, file), isBuffer),
  }));
  const tensors = headers.flatMap(({ file, tensors: each }) =>
    [...each].map(([name, entry]) => ({ file, name, ...entry })),
  );
  const heads = isSaidTied && !untied ? tensors.filter(({ name }) => name === OUTPUT) : [];
  return {
    weights: {
      bytes: tensors.reduce((sum, { from, to }) => sum + to - from, 0),
      types: typesOf(tensors.map(({ dtype, dims }) => ({ type: dtype, dims }))),
      head: untied ? 'own, though tied' : !isSaidTied ? 'own' : heads.length > 0 ? 'tied, and stored' : 'tied',
    },
    ignored: [
      ...heads.map(({ file, name }) => ({
        file,
        what: name,
        why: 'tie_word_embeddings is true in config.json, and these are the numbers of the embedding',
      })),
      ...headers.flatMap(({ file, skipped }) =>
        skipped.map((name) => ({
          file,
          what: name,
          why: 'a buffer of older programs, made of the configuration here',
        })),
      ),
    ],
  };
}

/** Those of the most numbers first. */
export function typesOf(tensors: readonly { readonly type: string; readonly dims: readonly number[] }[]): StoredType[] {
  const types = new Map<string, StoredType>();
  for (const { type, dims } of tensors) {
    const { tensors: count, parameters } = types.get(type) ?? { tensors: 0, parameters: 0 };
    types.set(type, {
      type,
      tensors: count + 1,
      parameters: parameters + dims.reduce((product, dim) => product * dim, 1),
    });
  }
  return [...types.values()].sort((a, b) => b.parameters - a.parameters);
}
