import { inShort } from './in-short.ts';
import { autoTokenizer, classFacts, classNameOf, withoutLimits } from './auto-tokenizer.ts';
import type { JsonObject, TextFolder } from './text-files.ts';
import { isObject } from './text-files.ts';
import { classFollowsModelType, TOKENIZER_CLASSES, TRANSFORMERS_VERSION } from './tokenizer-classes.ts';
import { TextModelError } from './text-model.error.ts';
import { Tokenizer } from './tokenizer.ts';
import type { TokenizerSource } from './tokenizer.messages.ts';

/** What AutoTokenizer of transformers makes of a folder, beside what is used here and what tokenizer.json says. */
export interface TransformersTokens {
  /** Of transformers, whose rules these are. */
  readonly version: string;
  /** TokenizersBackend takes tokenizer.json as it is. */
  readonly tokenizerClass: string;
  /** The parts of tokenizer.json that the class leaves out for its own. */
  readonly replaced: readonly string[];
  /** Texts that were tried where it is made otherwise. */
  readonly tried: number;
  /** Where ids there are not those that are used here; null: they are the same. */
  readonly fromHere: OtherIds | null;
  /** Where they are not those of tokenizer.json alone, which other tools read. */
  readonly fromFile: OtherIds | null;
  /** What will happen, and what to do; null where ids there are those that are used here. */
  readonly warning: string | null;
  readonly note: string | null;
}

export interface OtherIds {
  /** Of the texts that were tried. */
  readonly texts: number;
  readonly example: { readonly text: string; readonly there: readonly number[]; readonly expected: readonly number[] };
}

/** What tokenizers differ about. */
const TEXTS = [
  'The quick brown fox jumps over the lazy dog.',
  'the code of alice is copper lantern .',
  ' leading space',
  '   three spaces,  two  and\ttab',
  'trailing space ',
  'line\nline\n\nline\r\n\r\n  indented\n',
  "they'LL 'tis DON'T I'm we've",
  '1984 1,234.5 3.14159 2024-01-05',
  '12½ m² x³ ½²',
  '１２３ ٣٤٥ ३४५',
  'naïve café Zürich',
  'cafe\u0301 A\u030A \u1E9B\u0323 \uFB01',
  '東京タワーの高さは333メートルです。',
  'Привет, мир! Ελλάδα שלום مرحبا हिन्दी ประเทศไทย 한국어',
  '😀 👩‍👩‍👧 🇩🇪 ∑ → ∞',
  'camelCase HTTPServer ÉCOLE snake_case',
  'x = {"a": [1, 2], "b": $5 <= 10 ^ 2 ~ `code`};',
  '<b>bold</b> & [link](http://example.org/?q=1#top)',
  'zero\u200Bwidth no\u00A0break \uFEFFmark',
  'hello.Hello!hello?',
];
const MAX_TOKENS_TRIED = 64;

/** By the rules of `tokenizer-classes.ts`; what differs is then tried. @throws TextModelError of a class without known rules */
export function transformersTokens(folder: TextFolder): TransformersTokens {
  const there = autoTokenizer(folder, { toTheLetter: true }).source;
  const here = autoTokenizer(folder).source;
  const file: TokenizerSource = { json: withoutLimits(folder.tokenizer), added: [] };
  const name = classNameOf(folder);
  const texts = textsFor([there, here, file]);
  const fromHere = otherIds(there, here, texts);
  const fromFile = otherIds(there, file, texts);
  const facts = {
    version: TRANSFORMERS_VERSION,
    tokenizerClass: name !== undefined && Object.hasOwn(TOKENIZER_CLASSES, name) ? name : 'TokenizersBackend',
    replaced: differingParts(there.json, file.json),
    tried: texts.length,
    fromHere,
    fromFile,
  };
  return { ...facts, warning: warningOf(folder, facts), note: noteOf(facts) };
}

type Facts = Omit<TransformersTokens, 'warning' | 'note'>;

function warningOf(folder: TextFolder, { version, tokenizerClass, replaced, fromHere }: Facts): string | null {
  if (fromHere === null) return null;
  const { text, there, expected } = fromHere.example;
  const facts = classFacts(folder);
  const { modelType, named } = facts;
  const why = classFollowsModelType(facts)
    ? `model_type is ${inShort(modelType)}, whatever tokenizer_class says`
    : `tokenizer_class is ${named === undefined ? 'left out' : inShort(named)}, model_type ${modelType === undefined ? 'too' : inShort(modelType)}`;
  const remedy = classFollowsModelType(facts)
    ? 'load it with PreTrainedTokenizerFast.from_pretrained in place of AutoTokenizer'
    : 'write "tokenizer_class": "PreTrainedTokenizerFast" into tokenizer_config.json, or load it with PreTrainedTokenizerFast.from_pretrained';
  return (
    `AutoTokenizer of transformers ${version} makes a ${tokenizerClass} of this folder (${why}), which has its own ${list(replaced)} ` +
    `in place of tokenizer.json's: ${JSON.stringify(text)} has the ids ${ids(there)} there, and ${ids(expected)} here, with which the model is trained and asked; ${remedy}.`
  );
}

function noteOf({ version, tokenizerClass, replaced, tried, fromHere, fromFile }: Facts): string | null {
  if (fromHere !== null) return null;
  if (fromFile !== null) {
    const { text, there, expected } = fromFile.example;
    return (
      `Here as in transformers ${version} it is a ${tokenizerClass}${replaced.length > 0 ? `, with its own ${list(replaced)}` : ''}. ` +
      `Tools that read tokenizer.json alone give other ids to some texts: ${JSON.stringify(text)} has ${ids(expected)} there, and ${ids(there)} here.`
    );
  }
  if (replaced.length === 0) return null;
  return `transformers ${version} makes a ${tokenizerClass} with its own ${list(replaced)}; ids are those of tokenizer.json in all of ${tried} texts tried.`;
}

function otherIds(there: TokenizerSource, expected: TokenizerSource, texts: readonly string[]): OtherIds | null {
  const isSame = differingParts(there.json, expected.json).length === 0;
  if (isSame && (sameAdded(there, expected) || tokensOf(there) === tokensOf(expected))) return null;
  const differing = differences(there, expected, texts);
  if (differing.length === 0) return null;
  const words = differing.flatMap(({ text }) => text.match(/\s*\S+/g) ?? []);
  const [example] = [...differing, ...differences(there, expected, [...new Set(words)])].sort(
    (a, b) => a.text.length - b.text.length,
  );
  return { texts: differing.length, example: example as OtherIds['example'] };
}

function differences(
  there: TokenizerSource,
  expected: TokenizerSource,
  texts: readonly string[],
): OtherIds['example'][] {
  const [theirs, own] = [idsOf(there, texts), idsOf(expected, texts)];
  return texts.flatMap((text, index) => {
    const [a, b] = [theirs[index] ?? [], own[index] ?? []];
    return a.join() === b.join() ? [] : [{ text, there: a, expected: b }];
  });
}

/** None where the library makes no tokenizer of it. */
function idsOf(source: TokenizerSource, texts: readonly string[]): number[][] {
  try {
    return new Tokenizer(source).encode(texts).map((each) => [...each]);
  } catch (error) {
    if (error instanceof TextModelError) return [];
    throw error;
  }
}

/** Those above, and tokens beside the vocabulary in their surroundings. */
function textsFor(sources: readonly TokenizerSource[]): string[] {
  const tokens = new Set(
    sources.flatMap(({ json, added }) => [...ownTokens(json), ...added]).map((each) => each.content),
  );
  return [...TEXTS, ...[...tokens].slice(0, MAX_TOKENS_TRIED).map((token) => `a${token}b ${token} c${token}`)];
}

interface OwnToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly normalized: boolean;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

const ownTokens = (json: JsonObject): readonly OwnToken[] => (json['added_tokens'] ?? []) as readonly OwnToken[];

function sameAdded(a: TokenizerSource, b: TokenizerSource): boolean {
  return JSON.stringify([ownTokens(a.json), a.added]) === JSON.stringify([ownTokens(b.json), b.added]);
}

/** The tokens beside the vocabulary with their flags and ids, as the library gives them when they are added. */
function tokensOf({ json, added }: TokenizerSource): string {
  const { vocab } = json['model'] as { readonly vocab: Readonly<Record<string, number>> | readonly unknown[] };
  const inModel = (token: string): number | undefined =>
    Array.isArray(vocab) ? undefined : (vocab as Readonly<Record<string, number>>)[token];
  const tokens = new Map<string, readonly unknown[]>();
  let greatest = Object.keys(vocab).length - 1;
  for (const { content, id, special, normalized, single_word, lstrip, rstrip } of ownTokens(json)) {
    greatest = Math.max(greatest, id);
    tokens.set(content, [id, special, normalized, single_word, lstrip, rstrip]);
  }
  for (const { content, special, normalized, singleWord, leftStrip, rightStrip } of added) {
    const id = tokens.get(content)?.[0] ?? inModel(content) ?? ++greatest;
    tokens.set(content, [id, special, normalized, singleWord, leftStrip, rightStrip]);
  }
  return JSON.stringify([...tokens].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Parts that ids follow from. What makes no difference to ids is left out of the comparison. */
function differingParts(a: JsonObject, b: JsonObject): string[] {
  const parts = ['normalizer', 'pre_tokenizer'].filter((part) => plain(a[part]) !== plain(b[part]));
  return plainModel(a['model']) === plainModel(b['model']) ? parts : [...parts, 'model'];
}

function plainModel(value: unknown): string {
  const { vocab, merges, ...settings } = value as JsonObject;
  return `${plain(settings)} ${Array.isArray(vocab)} ${Array.isArray(merges) ? merges.length : 0}`;
}

/** What ids do not depend on, or what is meant where it is left out. */
const AS_IF_ABSENT: Readonly<Record<string, readonly unknown[]>> = {
  trim_offsets: [true, false],
  max_input_chars_per_word: [100],
  use_regex: [true],
  invert: [false],
  dropout: [null, 0],
  fuse_unk: [false],
  byte_fallback: [false],
  ignore_merges: [false],
  unk_token: [null],
  continuing_subword_prefix: [null, ''],
  end_of_word_suffix: [null, ''],
};

function plain(value: unknown): string {
  const text = JSON.stringify(value, (key, part: unknown) => {
    if (Object.hasOwn(AS_IF_ABSENT, key) && AS_IF_ABSENT[key]?.includes(part)) return undefined;
    return isObject(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part;
  }) as string | undefined;
  return text ?? 'null';
}

function ids(list: readonly number[]): string {
  const shown = list.slice(0, 12).join(' ');
  return list.length === 0 ? 'none' : list.length > 12 ? `${shown} ...` : shown;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'added tokens' : names.join(', ').replace(/, ([^,]*)$/, ' and $1');
}
