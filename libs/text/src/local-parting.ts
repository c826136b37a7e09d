import type { JsonObject } from './text-files.ts';
import { isObject } from './text-files.ts';
import type { TokenizerSource } from './tokenizer.messages.ts';

/**
 * A tokenizer that parts texts by what is near alone: on each side of a border between two texts, ids depend on the
 * surroundings of the border, and not on the rest.
 */
export interface LocalParting {
  /** Characters on each side of a border that the longest added token could reach over. */
  readonly reach: number;
  /**
   * Whether it parts between the end of a line and a letter or a digit the same way, whatever letter or digit it is: no
   * pattern takes both together, no normalizer joins them, and no added token reaches over them.
   */
  readonly atLines: boolean;
}

/**
 * Patterns of published models that go through a text from left to right, look no further back than where they stand, and
 * no further ahead than the first character behind what they take: GPT-2's, then those of Qwen 2, Llama 3 and their kind.
 * Before a letter or a digit they take nothing along but a space, or another character that ends no line.
 */
const LOCAL_PATTERNS: ReadonlySet<string> = new Set([
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
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

export function localParting({ json, added }: TokenizerSource): LocalParting | undefined {
  const { model, normalizer, pre_tokenizer: preTokenizer, added_tokens: own } = json;
  const isLocal =
    isObject(model) &&
    LOCAL_MODELS.has(model['type']) &&
    partsOf(normalizer, 'normalizers').every(({ type }) => LOCAL_NORMALIZERS.has(type)) &&
    isObject(preTokenizer) &&
    partsOf(preTokenizer, 'pretokenizers').every(isLocalPreTokenizer);
  if (!isLocal) return undefined;
  const tokens = [
    ...((own ?? []) as JsonObject[]).map(({ content, lstrip }) => ({
      content: String(content),
      strips: lstrip === true,
    })),
    ...added.map(({ content, leftStrip }) => ({ content, strips: leftStrip })),
  ];
  return {
    reach: tokens.reduce((longest, { content }) => Math.max(longest, content.length), 0),
    atLines: !tokens.some(({ content, strips }) => strips || /[\r\n]/.test(content)),
  };
}

function isLocalPreTokenizer({ type, pattern, behavior, invert, add_prefix_space: prefix }: JsonObject): boolean {
  if (type === 'ByteLevel') return prefix !== true;
  const regex = isObject(pattern) ? pattern['Regex'] : undefined;
  const isKnown = type === 'Split' && behavior === 'Isolated' && invert !== true && LOCAL_PATTERNS.has(String(regex));
  return isKnown || LOCAL_PRE_TOKENIZERS.has(type);
}

function partsOf(part: unknown, key: string): JsonObject[] {
  if (!isObject(part)) return [];
  return part['type'] === 'Sequence'
    ? ((part[key] ?? []) as JsonObject[]).flatMap((each) => partsOf(each, key))
    : [part];
}
