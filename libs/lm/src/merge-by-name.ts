import { join } from 'node:path';
import { isBuffer } from './buffers.ts';
import { addProduct, PEFT_PREFIX } from './lora.ts';
import { readJson, weightFiles } from './model-folder.ts';
import { ModelError } from './model.error.ts';
import {
  readSafetensors,
  readSafetensorsHeader,
  readStored,
  storedPieces,
  streamSafetensors,
  type HostTensor,
  type HostTensors,
  type StoredEntry,
  type TensorSource,
} from './safetensors.ts';

/** Architectures whose linear layers keep W', [inputs, outputs] (Conv1D of transformers). */
const TURNED: readonly unknown[] = ['gpt2', 'openai-gpt'];

/**
 * Writes a model of any architecture with an adapter merged into it, in float32: W + s B A of every weight that the adapter names, all
 * else as it is in the base's files. A tensor at a time is in memory.
 *
 * @throws ModelError that names a weight which the files do not have under its name in the model, as the model has it
 */
export function mergeByName(
  base: string,
  { adapter, scale }: { readonly adapter: string; readonly scale: number },
  out: string,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const isTurned = TURNED.includes((readJson(base, 'config.json') as { readonly model_type?: unknown }).model_type);
  const stored = new Map<string, StoredEntry>(
    weightFiles(base).flatMap((file) => {
      const path = join(base, file);
      return [...readSafetensorsHeader(path, isBuffer).tensors].map(
        ([name, entry]) => [name, { path, entry }] as const,
      );
    }),
  );
  const changes = changesOf(readSafetensors(adapter).tensors, stored, isTurned);
  const sources = [...stored].map(([name, place]): TensorSource => {
    const { dims } = place.entry;
    const change = changes.get(name);
    const merged = ({ b, a }: Change) => [addProduct(readStored(place), scale, b, a)];
    return { name, dims, pieces: () => (change === undefined ? storedPieces(place) : merged(change)) };
  });
  streamSafetensors(out, sources, metadata);
}

/** What is added to a stored weight is s b a. */
interface Change {
  readonly b: HostTensor;
  readonly a: HostTensor;
}

/** By the name of the weight in the base's files. */
function changesOf(
  adapter: HostTensors,
  stored: ReadonlyMap<string, StoredEntry>,
  isTurned: boolean,
): ReadonlyMap<string, Change> {
  const changes = new Map<string, Change>();
  for (const [name, a] of adapter) {
    const [, layer] = /^(.+)\.lora_A\.weight$/.exec(name) ?? [];
    if (layer === undefined) continue;
    const b = adapter.get(`${layer}.lora_B.weight`);
    if (b === undefined || !layer.startsWith(PEFT_PREFIX))
      throw new ModelError(
        `adapter tensor "${name}" has no lora_B beside it, or is not named as PEFT names it; ${BY_PEFT}`,
      );
    const weight = `${layer.slice(PEFT_PREFIX.length)}.weight`;
    const change = isTurned ? { b: turned(a), a: turned(b) } : { b, a };
    changes.set(placeOf(weight, change, stored), change);
  }
  const rest = [...adapter.keys()].find((name) => !/\.lora_[AB]\.weight$/.test(name));
  if (rest !== undefined) throw new ModelError(`adapter tensor "${rest}" is no matrix of LoRA; ${BY_PEFT}`);
  return changes;
}

const BY_PEFT =
  'export the adapter alone and merge it with PEFT (PeftModel.from_pretrained on the loaded base, then merge_and_unload)';

/** Some files leave out the first part of the names (`transformer.h.0...` is `h.0...` in Bloom's). */
function placeOf(weight: string, { b, a }: Change, stored: ReadonlyMap<string, StoredEntry>): string {
  const name = [weight, weight.slice(weight.indexOf('.') + 1)].find((each) => stored.has(each));
  if (name === undefined)
    throw new ModelError(
      `the base model's files have no tensor "${weight}": transformers makes that layer of others when it loads the model, and nothing is merged; ${BY_PEFT}`,
    );
  const { dims } = (stored.get(name) as StoredEntry).entry;
  const wanted = [b.dims[0], a.dims[1]];
  if (dims.join() !== wanted.join())
    throw new ModelError(
      `tensor "${name}" of the base model has shape [${dims.join(', ')}], and the adapter was trained on one of [${wanted.join(', ')}]: transformers turns or splits it when it loads the model; ${BY_PEFT}`,
    );
  return name;
}

function turned({ dims, data }: HostTensor): HostTensor {
  const [rows, columns] = dims as readonly [number, number];
  const turnedData = new Float32Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) turnedData[j * rows + i] = data[i * columns + j] as number;
  return { dims: [columns, rows], data: turnedData };
}
