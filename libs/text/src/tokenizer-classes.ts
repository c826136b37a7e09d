import type { JsonObject } from './text-files.ts';

/**
 * What AutoTokenizer adds to a tokenizer.json, as facts read from the source of transformers, version:
 */
export const TRANSFORMERS_VERSION = '5.24.0';

/** The tokens that a class has a name for, and what they are where tokenizer_config.json says nothing. */
export type NamedTokens = Readonly<Record<string, unknown>>;

export interface TokenizerClass {
  readonly defaults: NamedTokens;
  /**
   * The class makes the tokenizer anew: a BPE of the file's vocabulary and merges, with these parts, whatever the file
   * has in their place. Without them, the file is taken as it is.
   */
  readonly parts?: (config: JsonObject, named: NamedTokens) => TokenizerParts;
  /** Named tokens are added once more, without flags. */
  readonly addsAgain?: boolean;
}

export interface TokenizerParts {
  readonly model: JsonObject;
  readonly normalizer: JsonObject | null;
  readonly pre_tokenizer: JsonObject;
  readonly decoder: JsonObject;
}

/** In this order they are added. */
export const NAMED_TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;

const END_OF_TEXT = '<|endoftext|>';
const SPACE = '▁';

const BYTE_LEVEL_MODEL = { continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false };
const BYTE_LEVEL_DECODER = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
const QWEN2_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** A tokenizer.json as it is: TokenizersBackend, PreTrainedTokenizerFast, and names that transformers does not know. */
export const GENERIC: TokenizerClass = { defaults: {} };

export const TOKENIZER_CLASSES: Readonly<Record<string, TokenizerClass>> = {
  LlamaTokenizer: {
    defaults: { unk_token: '<unk>', bos_token: '<s>', eos_token: '</s>' },
    parts: ({ add_prefix_space, legacy = false }) => {
      const prefix = (add_prefix_space ?? true) === true;
      return {
        model: { fuse_unk: true, byte_fallback: true },
        normalizer: null,
        pre_tokenizer: metaspace(!prefix ? 'never' : legacy === true ? 'always' : 'first'),
        decoder: sentencepieceDecoder(prefix),
      };
    },
  },
  Qwen2Tokenizer: {
    defaults: { unk_token: END_OF_TEXT, bos_token: null, eos_token: END_OF_TEXT, pad_token: END_OF_TEXT },
    parts: ({ add_prefix_space }) => ({
      model: { ...BYTE_LEVEL_MODEL, byte_fallback: false },
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: QWEN2_WORDS }, behavior: 'Isolated', invert: false },
          byteLevel(add_prefix_space === true, false),
        ],
      },
      decoder: BYTE_LEVEL_DECODER,
    }),
    addsAgain: true,
  },
  GemmaTokenizer: {
    defaults: {
      unk_token: '<unk>',
      bos_token: '<bos>',
      eos_token: '<eos>',
      pad_token: '<pad>',
      mask_token: '<mask>',
    },
    parts: (_, { unk_token }) => ({
      // Without one it is looked for by the name of nothing, and not found.
      model: { fuse_unk: true, byte_fallback: true, unk_token: unk_token ?? 'None' },
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
      pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
      decoder: sentencepieceDecoder(false),
    }),
  },
  GPT2Tokenizer: {
    defaults: { unk_token: END_OF_TEXT, bos_token: END_OF_TEXT, eos_token: END_OF_TEXT, pad_token: null },
    parts: ({ add_prefix_space }) => ({
      model: BYTE_LEVEL_MODEL,
      normalizer: null,
      pre_tokenizer: byteLevel(add_prefix_space === true),
      decoder: BYTE_LEVEL_DECODER,
    }),
  },
  GPTNeoXTokenizer: {
    defaults: { unk_token: END_OF_TEXT, bos_token: END_OF_TEXT, eos_token: END_OF_TEXT, pad_token: '<|padding|>' },
    parts: ({ add_prefix_space }) => ({
      model: BYTE_LEVEL_MODEL,
      normalizer: { type: 'NFC' },
      pre_tokenizer: byteLevel(add_prefix_space === true),
      decoder: BYTE_LEVEL_DECODER,
    }),
  },
};

/** Classes that make the tokenizer anew by rules that are not in this table. */
export const OTHER_CLASSES: ReadonlySet<string> = new Set(
  `Albert Auto Bart Barthez Bartpho Basic Bert BertGeneration BertJapanese Bertweet BigBird BioGpt Blenderbot
   BlenderbotSmall ByT5 Camembert Canine Character CLIP Clvp CodeGen CodeLlama Cohere ConvBert Cpm CpmAnt CTRL
   Deberta DebertaV2 Dia DistilBert DPRContextEncoder DPRQuestionEncoder DPRReader Electra Esm Esmc
   FastSpeech2Conformer Flaubert FNet FSMT Funnel GPTNeoXJapanese GPTSw3 Herbert Lasr LayoutLM LayoutLMv2 LayoutLMv3
   LayoutXLM LED Longformer Luke Lxmert M2M100 Marian MarkupLM MBart MBart50 Mecab Mgpstr MLuke MobileBert MPNet Mvp
   MyT5 Nllb Nougat OpenAIGPT Parakeet Pegasus Perceiver Phobert PLBart Pop2Piano ProphetNet Qwen3_5 Rag Reformer
   RemBert Roberta RoCBert RoFormer SeamlessM4T Siglip Siglip2 Speech2Text SpeechT5 Splinter SqueezeBert T5 Tapas
   Tipsv2 Udop VideoPrism Vits Wav2Vec2CTC Wav2Vec2PhonemeCTC Whisper Wordpiece XGLM XLM XLMRoberta XLNet`
    .split(/\s+/)
    .map((name) => `${name}Tokenizer`)
    .concat(['MistralCommonBackend', 'PreTrainedTokenizerBase', 'SentencePieceBackend']),
);

/** Names without a class of their own, for which transformers takes the one that their file is converted like. */
const ALIASES: Readonly<Record<string, string>> = { Phi3Tokenizer: 'LlamaTokenizer' };

/** Names of the generic class. */
const GENERIC_NAMES: ReadonlySet<string> = new Set([
  'BloomTokenizer',
  'PreTrainedTokenizer',
  'PythonBackend',
  'TokenizersBackend',
]);

/** By config.json's model_type: the class that belongs to it. */
const REGISTERED: Readonly<Record<string, string>> = {
  gemma: 'GemmaTokenizer',
  gemma2: 'GemmaTokenizer',
  gemma3: 'GemmaTokenizer',
  gemma3_text: 'GemmaTokenizer',
  gpt2: 'GPT2Tokenizer',
  ministral: 'TokenizersBackend',
  mistral: 'TokenizersBackend',
  mixtral: 'TokenizersBackend',
  qwen2: 'Qwen2Tokenizer',
  qwen2_moe: 'Qwen2Tokenizer',
  qwen3: 'Qwen2Tokenizer',
  qwen3_moe: 'Qwen2Tokenizer',
};

/** Model types whose tokenizer_config.json often names a wrong class, so that the registered one is taken. */
const NAMED_WRONGLY: ReadonlySet<string> = new Set(['qwen2']);

/** What the files say of a tokenizer's class. */
export interface ClassFacts {
  readonly modelType: unknown;
  /** `tokenizer_class`. */
  readonly named: string | undefined;
  /** tokenizer.json parts or decodes texts by bytes. */
  readonly isByteLevel: boolean;
  /** `auto_map` of tokenizer_config.json: the tokenizer may be code of its publisher's. */
  readonly hasOwnCode: boolean;
}

/** Whether the model type alone says which class is made: no `tokenizer_class` changes it, but one with code of its publisher's. */
export function classFollowsModelType({
  modelType,
  hasOwnCode,
}: Pick<ClassFacts, 'modelType' | 'hasOwnCode'>): boolean {
  return typeof modelType === 'string' && NAMED_WRONGLY.has(modelType) && !hasOwnCode;
}

/**
 * The name of the class that AutoTokenizer makes: of what the files name and what belongs to the model type. Undefined
 * for the generic one; null where it would be code of the publisher's.
 */
export function tokenizerClassName(facts: ClassFacts): string | undefined | null {
  const { modelType, named, isByteLevel, hasOwnCode } = facts;
  const registered =
    typeof modelType === 'string' && Object.hasOwn(REGISTERED, modelType) ? REGISTERED[modelType] : undefined;
  const name = named?.replace(/Fast$/, '');
  const meant = name === undefined ? registered : classCalled(name);
  if (name === undefined || hasOwnCode)
    return hasOwnCode && registered === undefined && !(name !== undefined && isKnown(name)) ? null : meant;
  const followsModelType = classFollowsModelType(facts);
  // Folders of the Llama 3 kind name the class of Llama 2.
  if (name === 'LlamaTokenizer' && isByteLevel && !followsModelType) return undefined;
  if (registered === undefined || registered === name) return meant;
  if (registered === 'TokenizersBackend') return undefined;
  return followsModelType ? registered : meant;
}

/** The class that is made for a `tokenizer_class`, without Fast. Undefined for the generic one. */
export function classCalled(name: string): string | undefined {
  return GENERIC_NAMES.has(name) ? undefined : ((Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined) ?? name);
}

function isKnown(name: string): boolean {
  return (
    GENERIC_NAMES.has(name) ||
    OTHER_CLASSES.has(name) ||
    Object.hasOwn(TOKENIZER_CLASSES, name) ||
    Object.hasOwn(ALIASES, name)
  );
}

function metaspace(scheme: 'always' | 'first' | 'never'): JsonObject {
  return { type: 'Metaspace', replacement: SPACE, prepend_scheme: scheme, split: false };
}

function byteLevel(addPrefixSpace: boolean, useRegex = true): JsonObject {
  return { type: 'ByteLevel', add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: useRegex };
}

function sentencepieceDecoder(stripsFirstSpace: boolean): JsonObject {
  const decoders = [
    { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(stripsFirstSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ];
  return { type: 'Sequence', decoders };
}
