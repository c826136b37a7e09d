import type { JsonObject, TextFile, TextFolder } from './text-files.ts';
import { isObject } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';
import { checkTokenizer, modelTypeOf } from './tokenizer.check.ts';
import type { ClassFacts, NamedTokens, TokenizerClass } from './tokenizer-classes.ts';
import {
  classCalled,
  GENERIC,
  NAMED_TOKENS,
  OTHER_CLASSES,
  TOKENIZER_CLASSES,
  tokenizerClassName,
  TRANSFORMERS_VERSION,
} from './tokenizer-classes.ts';
import type { AddedToken, TokenizerSource } from './tokenizer.messages.ts';

export interface AutoTokenizer {
  readonly source: TokenizerSource;
  /** tokenizer_config.json with what special_tokens_map.json and the class say besides. */
  readonly config: JsonObject;
  /** The texts of the special tokens that have a name, such as bos_token. */
  readonly named: Readonly<Record<string, string>>;
  /** Whether decoded text is cleaned of the spaces that parting at punctuation made. */
  readonly cleansUp: boolean;
}

/**
 * A tokenizer as transformers' AutoTokenizer makes it of a folder's files; `tokenizer-classes.ts` has the facts. In two
 * cases the file is kept where AutoTokenizer goes against what the model was trained with, unless it is asked for to the
 * letter: see `keepsFile` and `afterDigits`.
 */
export function autoTokenizer(folder: TextFolder, { toTheLetter = false } = {}): AutoTokenizer {
  checkTokenizer(folder.tokenizer);
  const json = withoutLimits(folder.tokenizer);
  demandKnown(folder.tokenizerConfig, folder.config, json);
  const name = classNameOf(folder);
  const tokenizerClass = classOf(toTheLetter || !keepsFile(folder, name) ? name : undefined);
  const { config, decoder } = readConfig(folder);
  const { padding: filling } = folder.tokenizer;
  const padding = isObject(filling) ? { pad_token: filling['pad_token'] } : {};
  const whole: JsonObject = { ...padding, ...tokenizerClass.defaults, ...config };
  const named = namedTokens(whole);
  const built = rebuilt(json, tokenizerClass, { config: whole, named, toTheLetter });
  const added = addedTokens(built, decoder, named, extraTokens(whole));
  const again = tokenizerClass.addsAgain === true ? specials([...Object.values(named), ...extraTokens(whole)]) : [];
  const isBpe = modelTypeOf(built) === 'BPE';
  const evenBpe = whole['clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output'] === true;
  return {
    source: { json: built, added: [...added, ...again] },
    config: whole,
    named: textsOf(named),
    cleansUp: whole['clean_up_tokenization_spaces'] === true && (!isBpe || evenBpe),
  };
}

/** Truncation and padding that the file has switched on are left out: here nothing is cut or filled silently. */
export function withoutLimits(tokenizer: JsonObject): JsonObject {
  const flags = { single_word: false, lstrip: false, rstrip: false };
  const tokens = ((tokenizer['added_tokens'] ?? []) as JsonObject[]).map((token) => ({
    ...flags,
    special: false,
    normalized: token['special'] !== true,
    ...token,
  }));
  return { ...tokenizer, truncation: null, padding: null, added_tokens: tokens };
}

/** Of the class that AutoTokenizer makes; undefined: the generic one, which takes the file as it is. */
export function classNameOf(folder: TextFolder): string | undefined {
  const name = tokenizerClassName(classFacts(folder));
  if (name !== null) return name;
  throw new TextModelError(
    'tokenizer_config.json',
    "auto_map: the tokenizer is code of its publisher's, which is never run here, nor by transformers without trust_remote_code; " +
      'where tokenizer.json alone is right, take it out',
  );
}

export function classFacts({ tokenizer, tokenizerConfig, config }: TextFolder): ClassFacts {
  const named = tokenizerConfig['tokenizer_class'] ?? config?.['tokenizer_class'] ?? undefined;
  if (named !== undefined && (typeof named !== 'string' || named === '')) {
    throw new TextModelError('tokenizer_config.json', 'tokenizer_class: not the name of a class; correct it');
  }
  const code = tokenizerConfig['auto_map'];
  return {
    modelType: config?.['model_type'],
    named,
    isByteLevel: JSON.stringify({ ...tokenizer, model: null }).includes('"ByteLevel"'),
    hasOwnCode: Array.isArray(code) || (isObject(code) && (code['AutoTokenizer'] ?? null) !== null),
  };
}

/** Of another model than byte-pair encoding such a class makes no tokenizer: it is meant only where it is named. */
function keepsFile(folder: TextFolder, name: string | undefined): boolean {
  const { named } = classFacts(folder);
  const isNamed = named !== undefined && classCalled(named.replace(/Fast$/, '')) === name;
  return modelTypeOf(folder.tokenizer) !== 'BPE' && !isNamed;
}

function classOf(name: string | undefined): TokenizerClass {
  if (name === undefined) return GENERIC;
  if (!OTHER_CLASSES.has(name))
    return (Object.hasOwn(TOKENIZER_CLASSES, name) ? TOKENIZER_CLASSES[name] : undefined) ?? GENERIC;
  throw new TextModelError(
    'tokenizer_config.json',
    `tokenizer_class: transformers ${TRANSFORMERS_VERSION} makes a ${name} by rules of its own, which are not known here; ` +
      'where tokenizer.json alone is right, write PreTrainedTokenizerFast',
  );
}

/** What changes the ids and is not done here. */
function demandKnown(tokenizerConfig: JsonObject, config: JsonObject | undefined, json: JsonObject): void {
  const { split_special_tokens: split, fix_mistral_regex: fix } = tokenizerConfig;
  if (split === true) refuse('split_special_tokens', 'special tokens in texts are not split here');
  const mistral = ['mistral', 'mistral3', 'ministral', 'pixtral', 'voxtral'].includes(String(config?.['model_type']));
  const version = config?.['transformers_version'];
  if (fix === true && mistral && !(typeof version === 'string' && parseInt(version) >= 5) && json['pre_tokenizer'])
    refuse('fix_mistral_regex', 'the pattern of tokenizer.json is taken as it is');

  function refuse(key: string, fault: string): never {
    throw new TextModelError(
      'tokenizer_config.json',
      `${key}: ${fault}; save tokenizer.json as you want it and take this out`,
    );
  }
}

interface Settings {
  readonly config: JsonObject;
  readonly named: NamedTokens;
  readonly toTheLetter: boolean;
}

/** The class's own parts round the file's vocabulary. */
function rebuilt(json: JsonObject, { parts }: TokenizerClass, { config, named, toTheLetter }: Settings): JsonObject {
  if (!parts) return json;
  const { vocab, merges } = json['model'] as JsonObject;
  const type = modelTypeOf(json);
  if (type !== 'BPE' && !toTheLetter) {
    throw new TextModelError(
      'tokenizer_config.json',
      `tokenizer_class: a class with byte-pair encoding, where tokenizer.json has ${type}; where tokenizer.json is right, write PreTrainedTokenizerFast`,
    );
  }
  const made = parts(config, textsOf(named));
  const keepsDigits = !toTheLetter && parts === TOKENIZER_CLASSES['GPT2Tokenizer']?.parts;
  const words = keepsDigits ? afterDigits(json['pre_tokenizer'], made.pre_tokenizer) : made.pre_tokenizer;
  const model = {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...made.model,
    // Of another model there are tokens alone.
    vocab: Array.isArray(vocab)
      ? Object.fromEntries((vocab as [string, number][]).map(([piece], id) => [piece, id]))
      : vocab,
    merges: merges ?? [],
  };
  return { ...json, ...made, pre_tokenizer: words, model, added_tokens: [] };
}

/**
 * Transformers drops what parts digits before the bytes (SmolLM2's file has it, whose config.json names GPT2Tokenizer),
 * though the model was trained with it. It matters to digits beside 0 to 9: 7 of the 5,594 paragraphs in `data/`.
 */
function afterDigits(given: unknown, words: JsonObject): JsonObject {
  const [first, second, more] =
    isObject(given) && Array.isArray(given['pretokenizers']) ? (given['pretokenizers'] as unknown[]) : [];
  const isKept =
    isObject(first) && first['type'] === 'Digits' && isObject(second) && second['type'] === 'ByteLevel' && !more;
  return isKept ? { type: 'Sequence', pretokenizers: [first, words] } : words;
}

/** tokenizer_config.json; without tokens by id, special_tokens_map.json over it, and the tokens of the other files. */
function readConfig({ tokenizer, tokenizerConfig, specialTokensMap, addedTokens }: TextFolder): {
  readonly config: JsonObject;
  readonly decoder: ReadonlyMap<number, AddedToken>;
} {
  const listed = tokenizerConfig['added_tokens_decoder'] ?? undefined;
  if (listed !== undefined) {
    if (!isObject(listed)) refuse('tokenizer_config.json', 'added_tokens_decoder', 'not an object of ids and tokens');
    const tokens = Object.entries(listed).map(
      ([id, token]) => [Number(id), tokenOf(token, 'tokenizer_config.json', 'added_tokens_decoder')] as const,
    );
    return { config: withOwnNames(tokenizerConfig), decoder: new Map(tokens) };
  }
  const { extra_special_tokens: more = [], ...map } = specialTokensMap ?? {};
  const given = withOwnNames(tokenizerConfig);
  const config = {
    ...given,
    ...Object.fromEntries(Object.entries(map).map(([key, value]) => [key, isObject(value) ? asAdded(value) : value])),
    ...(isObject(more)
      ? { [OWN_NAMES]: { ...objectOf(given[OWN_NAMES]), ...more } }
      : { extra_special_tokens: [...extraTokens(given), ...listOf('extra_special_tokens', more)] }),
  };
  const special = new Set([...Object.values(namedTokens(config)), ...extraTokens(config)].map(contentOf));
  const legacy = Object.entries(addedTokens ?? {}).map(
    ([content, id]) => [Number(id), plain(content, special.has(content))] as const,
  );
  const own = ((tokenizer['added_tokens'] ?? []) as JsonObject[]).map(
    (token) => [Number(token['id']), tokenOf(token, 'tokenizer.json', 'added_tokens')] as const,
  );
  return { config, decoder: new Map([...legacy, ...own]) };
}

/** Under this key stand special tokens with names of the model's own. */
const OWN_NAMES = 'model_specific_special_tokens';

/** Those that have names elsewhere in the file take the place of what stands under the key. */
function withOwnNames(config: JsonObject): JsonObject {
  const known: readonly string[] = NAMED_TOKENS;
  const isOwn = (key: string): boolean =>
    key.endsWith('_token') && !known.includes(key) && typeof config[key] === 'string';
  const own = Object.entries(config).filter(([key]) => isOwn(key));
  const names = { ...Object.fromEntries(own), ...objectOf(config['extra_special_tokens']) };
  const rest = Object.entries(config).filter(
    ([key, value]) => !isOwn(key) && !(key === 'extra_special_tokens' && isObject(value)),
  );
  return { ...Object.fromEntries(rest), ...(Object.keys(names).length > 0 ? { [OWN_NAMES]: names } : {}) };
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function asAdded(token: JsonObject): JsonObject {
  return { ...token, __type: 'AddedToken', special: true };
}

/** bos_token and the like, in the order in which they are added; then further ones of the model's own. */
function namedTokens(config: JsonObject): NamedTokens {
  const known: readonly string[] = NAMED_TOKENS;
  const own = Object.keys(config).filter((key) => key.endsWith('_token') && !known.includes(key));
  const named = own.filter(
    (key) => typeof config[key] === 'string' || objectOf(config[key])['__type'] === 'AddedToken',
  );
  const more = objectOf(config[OWN_NAMES]);
  const all = { ...config, ...more };
  const keys = new Set([...known, ...named, ...Object.keys(more)]);
  const found = [...keys].flatMap((key) => {
    const value = all[key] ?? undefined;
    if (value === undefined) return [];
    if (contentOf(value) === undefined) refuse('tokenizer_config.json', key, 'not a text');
    return [[key, value] as const];
  });
  return Object.fromEntries(found);
}

/** Further special tokens, which older files call additional. Those with names are in `namedTokens`. */
function extraTokens(config: JsonObject): readonly unknown[] {
  const additional = listOf('additional_special_tokens', config['additional_special_tokens'] ?? []);
  const extra = config['extra_special_tokens'] ?? [];
  if (isObject(extra)) return additional;
  const tokens = listOf('extra_special_tokens', extra);
  return tokens.length > 0 ? tokens : additional;
}

function listOf(key: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) return refuse('tokenizer_config.json', key, 'not a list');
  if (value.some((token) => contentOf(token) === undefined)) refuse('tokenizer_config.json', key, 'not all are texts');
  return value;
}

/** Tokens by their ids, then named ones and further special ones that are not there yet. */
function addedTokens(
  json: JsonObject,
  decoder: ReadonlyMap<number, AddedToken>,
  named: NamedTokens,
  extra: readonly unknown[],
): AddedToken[] {
  const listed = [...decoder].sort(([a], [b]) => a - b).map(([, token]) => token);
  const byContent = new Map(listed.map((token) => [token.content, token]));
  const there = new Set([
    ...((json['added_tokens'] ?? []) as JsonObject[]).map(contentOf),
    ...listed.map(({ content }) => content),
  ]);
  const names = new Set(Object.values(named).map(contentOf));
  const added = listed.map((token) => (names.has(token.content) ? { ...token, special: true } : token));
  for (const token of [...Object.values(named).map(special), ...extra.map(further)]) {
    if (token === undefined || there.has(token.content)) continue;
    there.add(token.content);
    added.push(byContent.get(token.content) ?? token);
  }
  return added;
}

function special(value: unknown): AddedToken | undefined {
  return further(isObject(value) ? { ...value, special: true } : value);
}

/** With flags it is special only where they say so. */
function further(value: unknown): AddedToken | undefined {
  if (isObject(value)) return tokenOf(value, 'tokenizer_config.json', 'a special token');
  return typeof value === 'string' ? plain(value, true) : undefined;
}

function specials(values: readonly unknown[]): AddedToken[] {
  return values.flatMap((value) => {
    const content = contentOf(value);
    return content === undefined ? [] : [plain(content, true)];
  });
}

function textsOf(named: NamedTokens): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(named).map(([key, value]) => [key, contentOf(value) ?? '']));
}

function contentOf(value: unknown): string | undefined {
  const content = isObject(value) ? value['content'] : value;
  return typeof content === 'string' ? content : undefined;
}

function plain(content: string, special: boolean): AddedToken {
  return { content, special, normalized: !special, singleWord: false, leftStrip: false, rightStrip: false };
}

function tokenOf(value: unknown, file: TextFile, key: string): AddedToken {
  const content = contentOf(value);
  if (!isObject(value) || content === undefined) return refuse(file, key, 'has a token without content');
  const special = value['special'] === true;
  return {
    content,
    special,
    normalized: typeof value['normalized'] === 'boolean' ? value['normalized'] : !special,
    singleWord: value['single_word'] === true,
    leftStrip: value['lstrip'] === true,
    rightStrip: value['rstrip'] === true,
  };
}

function refuse(file: TextFile, key: string, fault: string): never {
  throw new TextModelError(file, `${key}: ${fault}; correct it`);
}
