import type { JsonObject } from './text-files.ts';
import { isObject } from './text-files.ts';
import type { TokenizerSource } from './tokenizer.messages.ts';

/**
 * Patterns of published models that go through a text from left to right, look no further back than where they stand, and
 * no further ahead than the first character behind what they take: GPT-2's, then those of Qwen 2, Llama 3 and their kind.
 */
const LOCAL_PATTERNS: ReadonlySet<string> = new Set([
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|\s?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
]);
const LOCAL_PRE_TOKENIZERS: ReadonlySet<unknown> = new Set([
  'Digits',
  'Whitespace',
  'WhitespaceSplit',
  'Punctuation',
  'BertPreTokenizer',
]);
const LOCAL_NORMALIZERS: ReadonlySet<unknown> = new Set(['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase']);
const LOCAL_MODELS: ReadonlySet<unknown> = new Set(['BPE', 'WordPiece', 'WordLevel']);

/** Whether a tokenizer parts texts by what is near alone, and how far its added tokens reach. */
export function partsLocally({ json, added }: TokenizerSource): [boolean, number] {
  const { model, normalizer, pre_tokenizer: preTokenizer, added_tokens: own } = json;
  const tokens = [...added, ...((own ?? []) as JsonObject[])].map(({ content }) => String(content).length);
  const isLocal =
    isObject(model) &&
    LOCAL_MODELS.has(model['type']) &&
    partsOf(normalizer, 'normalizers').every(({ type }) => LOCAL_NORMALIZERS.has(type)) &&
    isObject(preTokenizer) &&
    partsOf(preTokenizer, 'pretokenizers').every(isLocalPreTokenizer);
  return [isLocal, tokens.reduce((a, b) => Math.max(a, b), 0)];
}

function isLocalPreTokenizer({ type, pattern, behavior, invert }: JsonObject): boolean {
  if (type === 'ByteLevel' || LOCAL_PRE_TOKENIZERS.has(type)) return true;
  const regex = isObject(pattern) ? pattern['Regex'] : undefined;
  return type === 'Split' && behavior === 'Isolated' && invert !== true && LOCAL_PATTERNS.has(String(regex));
}

function partsOf(part: unknown, key: string): JsonObject[] {
  if (!isObject(part)) return [];
  return part['type'] === 'Sequence'
    ? ((part[key] ?? []) as JsonObject[]).flatMap((each) => partsOf(each, key))
    : [part];
}
