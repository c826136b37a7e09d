import { statSync } from 'node:fs';
import { basename } from 'node:path';
import {
  checkTemplate,
  ggufTokenizerFiles,
  parseTextFiles,
  readTextFiles,
  TextModel,
  TextModelError,
  transformersTokens,
  type Finding,
  type TextFiles,
  type TextFolder,
  type TransformersTokens,
} from '@solopo/text';
import { inspectModelFiles } from '../check-model-files.ts';
import { GgufModel } from '../gguf/gguf-model.ts';
import type { ModelConfig } from '../model-config.ts';
import { hasAdapter, idleSettingsOf, readAdapterConfig, readModelConfig } from '../model-folder.ts';
import { ModelError } from '../model.error.ts';
import { parameterCount } from '../parameters.ts';
import type { PeftAdapter } from '../peft-adapter.ts';
import { readForeignModel, type ForeignModel } from './foreign-model.ts';
import { otherThanAFolder, sortFiles, type FolderFiles } from './folder-files.ts';
import { lengthsOf, type Lengths } from './lengths.ts';
import { storedWeights, type StoredWeights } from './stored-weights.ts';

/** What a model folder or a GGUF file is, as it would be registered: what is read of it, and what to know before it is trained. */
export interface FolderCheck {
  readonly path: string;
  readonly format: 'folder' | 'gguf';
  /** Why it cannot be registered, each with what to do. */
  readonly faults: readonly string[];
  /** What training or serving it would suffer from, each with what to do. */
  readonly warnings: readonly string[];
  readonly config: ModelConfig | null;
  /** What can compute it: `torch` alone where the only fault is that these graphs do not have it; none where it cannot be registered. */
  readonly engines: readonly ('onnx' | 'torch')[];
  /** Where this program's own graphs do not have the model: what another, PyTorch, may have it for. Its reason is one of the faults. */
  readonly foreign: ForeignModel | null;
  /** By the configuration. */
  readonly parameters: number | null;
  readonly weights: StoredWeights | null;
  /** A PEFT adapter beside the weights, which is merged into them. */
  readonly adapter: AdapterCheck | null;
  readonly files: FolderFiles;
  /** What of the files that are read has no effect. */
  readonly ignored: readonly Ignored[];
  readonly lengths: Lengths | null;
  readonly text: TextCheck | null;
  readonly transformers: TransformersTokens | null;
}

export interface AdapterCheck {
  readonly kind: 'LoRA' | 'DoRA' | 'OLoRA';
  /** The layers' ranks, each once. */
  readonly ranks: readonly number[];
  /** By the last part of their names, each once. */
  readonly modules: readonly string[];
  /** Linear layers that it works on. */
  readonly layers: number;
}

/** A tensor, or a setting of a file, that has no effect, and why. */
export interface Ignored {
  readonly file: string;
  readonly what: string;
  readonly why: string;
}

export interface TextCheck {
  /** The kind of the tokenizer's model: BPE, Unigram, WordPiece, WordLevel. */
  readonly tokenizer: string;
  readonly vocabulary: number;
  readonly templateFile: string;
  readonly sample: {
    readonly text: string;
    /** Rendered as the user's message. */
    readonly prompt: string;
    readonly promptIds: readonly number[];
    /** Of the text alone. */
    readonly tokens: readonly { readonly id: number; readonly text: string }[];
    /** Those of them that stand for what the tokenizer does not know. */
    readonly unknown: number;
  };
  readonly findings: readonly Finding[];
}

export const SAMPLE_TEXT = "In 1984, 3 naïve cafés in Zürich sold 12½ kg of 東京 tea 😀 – isn't that odd?\n\tYes.";

/** Looks at all parts, also where one is at fault. Reads headers of weights, not the weights. */
export async function checkFolder(path: string): Promise<FolderCheck> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new ModelError(`${path} is not there; name a model folder or a GGUF file`);
  const gguf = found.isFile();
  const part = gguf ? ggufParts(path) : await folderParts(path);
  const faults = new Set(part.faults);
  const { config, textFiles } = part;
  const texts = textFiles && attempt(faults, () => parseTextFiles(textFiles));
  const text = texts && attempt(faults, () => new TextModel(texts));
  const transformers = texts && text && transformersTokens(texts);
  const textCheck = texts && text && attempt(faults, () => checkText(text, texts));
  const sized = config ?? part.foreign;
  if (sized && text) attempt(faults, () => demandRoom(sized, text));
  const { faults: _, textFiles: __, ...facts } = part;
  return {
    path,
    format: gguf ? 'gguf' : 'folder',
    ...facts,
    faults: [...faults],
    engines: faults.size === 0 ? ['onnx', 'torch'] : part.foreign !== null && faults.size === 1 ? ['torch'] : [],
    warnings: [
      ...(transformers?.warning ? [transformers.warning] : []),
      ...(text && text.withoutRow.size > 0 ? [roomWarning(text)] : []),
      ...(textCheck?.findings ?? []).flatMap(({ name, state, detail }) =>
        state === 'warning' ? [`Chat template, ${name}: ${detail}.`] : [],
      ),
    ],
    parameters: config && parameterCount(config),
    lengths: config && lengthsOf(config, texts),
    text: textCheck,
    transformers,
  };
}

type Parts = Pick<FolderCheck, 'faults' | 'config' | 'foreign' | 'weights' | 'adapter' | 'files' | 'ignored'> & {
  readonly textFiles: TextFiles | null;
};

const NOTHING: Parts = {
  faults: [],
  config: null,
  foreign: null,
  weights: null,
  adapter: null,
  files: { read: [], ignored: [] },
  ignored: [],
  textFiles: null,
};

async function folderParts(folder: string): Promise<Parts> {
  const faults = new Set<string>();
  const files = sortFiles(folder);
  const other = otherThanAFolder(files);
  if (other !== null) return { ...NOTHING, faults: [other], files };
  const said = attempt(faults, () => readModelConfig(folder));
  const [reason] = faults;
  const foreign = reason === undefined ? null : attempt(faults, () => readForeignModel(folder, reason));
  const found = said && attempt(faults, () => inspectModelFiles(folder));
  const stored = found ? storedWeights(folder, said, found) : null;
  const config = found?.config ?? said;
  const adapter = config && hasAdapter(folder) ? attempt(faults, () => readAdapterConfig(folder, config)) : null;
  let textFiles: TextFiles | null = null;
  try {
    textFiles = await readTextFiles(folder);
  } catch (error) {
    faults.add(sentence(error));
  }
  return {
    faults: [...faults],
    config,
    foreign,
    weights: stored?.weights ?? null,
    adapter: adapter && adapterCheck(adapter),
    files,
    ignored: [...(said ? idleModelSettings(folder) : []), ...(stored?.ignored ?? [])],
    textFiles,
  };
}

function adapterCheck({ layers, residual, dora }: PeftAdapter): AdapterCheck {
  return {
    kind: dora ? 'DoRA' : residual === null ? 'LoRA' : 'OLoRA',
    ranks: [...new Set([...layers.values()].map(({ rank }) => rank))],
    modules: [...new Set([...layers.keys()].map((name) => name.split('.').at(-1) as string))],
    layers: layers.size,
  };
}

/** Settings of one reason stand together. */
function idleModelSettings(folder: string): Ignored[] {
  const byReason = Map.groupBy(idleSettingsOf(folder), ([, why]) => why);
  return [...byReason].map(([why, settings]) => ({
    file: 'config.json',
    what: settings.map(([key]) => key).join(', '),
    why,
  }));
}

/** The same of what `convert gguf` would make of it. */
function ggufParts(file: string): Parts {
  const faults = new Set<string>();
  const model = attempt(faults, () => GgufModel.open(file));
  if (model === null) return { ...NOTHING, faults: [...faults] };
  try {
    const { config } = model;
    const tokenizer = attempt(faults, () => ggufTokenizerFiles(model.metadata));
    const settings = model.formatConfig({ format: 'gguf', file_type: model.fileType, sha256: '' });
    return {
      ...NOTHING,
      faults: [...faults],
      config,
      weights: model.storedWeights(),
      files: { read: [{ name: basename(file), bytes: statSync(file).size }], ignored: [] },
      textFiles: tokenizer && { ...tokenizer, 'config.json': JSON.stringify(settings) },
    };
  } finally {
    model.close();
  }
}

function checkText(text: TextModel, { tokenizer }: TextFolder): TextCheck {
  const prompt = text.renderPrompt([{ role: 'user', content: SAMPLE_TEXT }]);
  const ids = [...text.encode(SAMPLE_TEXT)];
  const { type } = tokenizer['model'] as { readonly type?: string };
  const pieces = text.decodeAll(ids.map((id) => [id]));
  return {
    tokenizer: type ?? 'unnamed',
    vocabulary: text.vocabularySize,
    templateFile: text.templateFile,
    sample: {
      text: SAMPLE_TEXT,
      prompt,
      promptIds: [...text.encode(prompt)],
      tokens: ids.map((id, index) => ({ id, text: pieces[index] ?? '' })),
      unknown: ids.filter((id) => id === text.unknownId).length,
    },
    findings: [comesBack(text), ...checkTemplate(text)],
  };
}

function comesBack(text: TextModel): Finding {
  const name = 'text and ids';
  const back = text.decode(text.encode(SAMPLE_TEXT));
  return back === SAMPLE_TEXT
    ? { name, state: 'ok', detail: 'the sample text comes back from its ids as it was' }
    : { name, state: 'note', detail: `the sample text comes back as ${JSON.stringify(back)}` };
}

const RESIZE = 'give the model rows for its tokens (resize_token_embeddings of transformers)';

function demandRoom(
  { vocabSize }: Pick<ModelConfig, 'vocabSize'>,
  { vocabularySize, withoutRow, eosIds }: TextModel,
): void {
  if (vocabularySize > vocabSize && withoutRow.size === 0) {
    throw new ModelError(
      `tokenizer.json has ids up to ${vocabularySize - 1}, vocab_size ${vocabSize} in config.json has no room for them; take both files from one model`,
    );
  }
  const strange = eosIds.find((id) => id >= vocabSize);
  if (strange !== undefined)
    throw new ModelError(
      `eos_token_id ${strange} is not below vocab_size ${vocabSize} in config.json; correct generation_config.json, or ${RESIZE}`,
    );
}

const NAMED = 8;

function roomWarning({ withoutRow }: TextModel): string {
  const names = [...withoutRow].slice(0, NAMED).map(([id, token]) => `${token} (${id})`);
  const others = withoutRow.size - names.length;
  return (
    `tokenizer.json adds ${names.join(', ')}${others > 0 ? ` and ${others} more` : ''}, for which vocab_size in config.json has no room: ` +
    `a text that has one is refused, or encoded as the text that it is with prompt.controlTokens: text. To use them, ${RESIZE}.`
  );
}

function attempt<T>(faults: Set<string>, look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    faults.add(sentence(error));
    return null;
  }
}

/** Faults of the model's own; others are not its. */
function sentence(error: unknown): string {
  if (error instanceof ModelError || error instanceof TextModelError) return error.message;
  throw error;
}
