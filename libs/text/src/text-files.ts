import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonText } from './json-text.ts';
import { TextModelError } from './text-model.error.ts';

/** The files of a Hugging Face model folder that concern text. All but the first two are optional. */
export const TEXT_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'generation_config.json',
  'config.json',
] as const;

export type TextFile = (typeof TEXT_FILES)[number];
export type TextFiles = Readonly<Partial<Record<TextFile, string>>>;
export type JsonObject = Readonly<Record<string, unknown>>;

/** The same, read. */
export interface TextFolder {
  readonly tokenizer: JsonObject;
  readonly tokenizerConfig: JsonObject;
  readonly specialTokensMap?: JsonObject | undefined;
  readonly addedTokens?: JsonObject | undefined;
  /** The text of chat_template.jinja. */
  readonly chatTemplate?: string | undefined;
  readonly generationConfig?: JsonObject | undefined;
  readonly config?: JsonObject | undefined;
}

const MiB = 1024 * 1024;

/** The greatest published tokenizer.json has 34 MB. */
const maxBytes = (file: TextFile) => (file === 'tokenizer.json' ? 64 : 8) * MiB;

export async function readTextFiles(folder: string): Promise<TextFiles> {
  const entries = await Promise.all(
    TEXT_FILES.map(async (file) => [file, await readIfThere(join(folder, file), file)] as const),
  );
  return Object.fromEntries(entries.filter(([, text]) => text !== undefined));
}

export function parseTextFiles(files: TextFiles): TextFolder {
  return {
    tokenizer: requiredJson(files, 'tokenizer.json'),
    tokenizerConfig: requiredJson(files, 'tokenizer_config.json'),
    specialTokensMap: optionalJson(files, 'special_tokens_map.json'),
    addedTokens: optionalJson(files, 'added_tokens.json'),
    chatTemplate: files['chat_template.jinja'],
    generationConfig: optionalJson(files, 'generation_config.json'),
    config: optionalJson(files, 'config.json'),
  };
}

function requiredJson(files: TextFiles, file: TextFile): JsonObject {
  const parsed = optionalJson(files, file);
  if (!parsed) {
    throw new TextModelError(file, "missing from the model folder; copy it there from the model's published files");
  }
  return parsed;
}

function optionalJson(files: TextFiles, file: TextFile): JsonObject | undefined {
  const text = files[file];
  if (text === undefined) return undefined;
  demandSize(file, text.length);
  const read = readJsonText(text);
  if ('fault' in read) throw new TextModelError(file, read.fault);
  if (!isObject(read.value)) throw new TextModelError(file, 'not a JSON object; fetch the file again');
  return read.value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readIfThere(path: string, file: TextFile): Promise<string | undefined> {
  try {
    demandSize(file, (await stat(path)).size);
    return textOf(file, await readFile(path));
  } catch (error) {
    if (error instanceof TextModelError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TextModelError(file, `cannot be read (${(error as Error).message}); make it readable`, { cause: error });
  }
}

/** A byte order mark stays where it is, as in transformers. */
function textOf(file: TextFile, bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new TextModelError(file, 'has bytes that are not UTF-8; write it anew in UTF-8, or fetch it again');
}

function demandSize(file: TextFile, bytes: number): void {
  if (bytes <= maxBytes(file)) return;
  throw new TextModelError(file, `${bytes} bytes; such a file has at most ${maxBytes(file) / MiB} MiB, fetch it again`);
}
