import { readdirSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { TEXT_FILES } from '@solopo/text';
import { ADAPTER, weightFiles } from '../model-folder.ts';
import { ModelError } from '../model.error.ts';

export interface FolderFiles {
  readonly read: readonly FolderFile[];
  readonly ignored: readonly (FolderFile & { readonly why: string })[];
}

export interface FolderFile {
  readonly name: string;
  readonly bytes: number;
}

const READ: ReadonlySet<string> = new Set([
  ...TEXT_FILES,
  'model.safetensors.index.json',
  'adapter_config.json',
  ADAPTER,
]);

const WHY: readonly (readonly [RegExp, string])[] = [
  [/^pytorch_model.*\.(bin|json)$|\.(pt|pth|bin|ckpt)$/i, 'weights are read from safetensors alone'],
  [/\.safetensors$/, 'not among the weight files that are read'],
  [/\.safetensors\.index\.json$/, 'model.safetensors holds the weights'],
  [/\.gguf$/i, 'a model of its own: name the file itself'],
  [/\.(onnx|onnx_data|h5|msgpack|tflite|mlmodel)$/i, 'weights in a format that is not read'],
  [
    /^(tokenizer\.model|vocab\.(json|txt)|merges\.txt|spiece\.model|sentencepiece\..*)$/,
    'tokenizer.json holds the same',
  ],
  [/^tekken\.json$/, 'tokenizer.json counts; transformers takes it instead where mistral-common is installed'],
  [/^tokenizer\..+\.json$/, 'tokenizer.json counts; transformers takes it instead where fast_tokenizer_files lists it'],
  [/^chat_template\.json$/, 'of a processor; chat_template.jinja or tokenizer_config.json counts'],
  [/(preprocessor|processor|feature_extractor|video_preprocessor)_config\.json$/, 'of images or sound'],
  [/\.py$/, 'code that comes with a model is never run'],
  [/^(quantize|quant)_config\.json$/, 'of quantised weights'],
  [/^(optimizer|scheduler|rng_state|trainer_state|training_args)/, 'of the training that made it'],
  [/^(readme|licen[cs]e|notice|use_policy|\.git).*$/i, 'about the model'],
];

/** A folder's files: those that are read, and why the others are not. */
export function sortFiles(folder: string): FolderFiles {
  const shards = new Set(shardsOf(folder));
  const files = readdirSync(folder)
    .sort()
    .map((name) => ({ name, stat: statSync(join(folder, name), { throwIfNoEntry: false }) }));
  const isRead = (name: string): boolean =>
    (READ.has(name) && !(name.endsWith('.index.json') && shards.has('model.safetensors'))) || shards.has(name);
  return {
    read: files.flatMap(({ name, stat }) => (stat?.isFile() && isRead(name) ? [{ name, bytes: stat.size }] : [])),
    ignored: files
      .filter(({ name, stat }) => !(stat?.isFile() && isRead(name)))
      .map(({ name, stat }) => ({ name, bytes: stat?.size ?? 0, why: whyIgnored(name, stat) })),
  };
}

function whyIgnored(name: string, stat: Stats | undefined): string {
  if (stat === undefined) return 'a link to a file that is not there; download the model again';
  if (!stat.isFile()) return 'a folder inside';
  return WHY.find(([pattern]) => pattern.test(name))?.[1] ?? 'nothing is known to be read from it';
}

function shardsOf(folder: string): readonly string[] {
  try {
    return weightFiles(folder);
  } catch (error) {
    if (error instanceof ModelError) return [];
    throw error;
  }
}

/** What a folder without config.json is, where its files tell. */
export function otherThanAFolder({ read, ignored }: FolderFiles): string | null {
  const names = [...read, ...ignored].map(({ name }) => name);
  if (names.includes('config.json')) return null;
  const gguf = names.find((name) => /\.gguf$/i.test(name));
  if (gguf !== undefined)
    return `the folder holds GGUF files, and is no model folder; name the file itself, such as ${gguf}`;
  if (names.includes('adapter_config.json'))
    return "a PEFT adapter without its base model; put adapter_config.json and adapter_model.safetensors beside the base model's files";
  if (names.includes('params.json'))
    return "a model in its publisher's own format (params.json); take its Hugging Face form";
  if (names.some((name) => /^tok.*\.bin$/.test(name)))
    return 'a model of llama2.c; solopo convert llama2c makes a model folder of it';
  return null;
}
