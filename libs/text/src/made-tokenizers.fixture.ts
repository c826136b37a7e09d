import type { TextFiles } from './text-files.ts';

/** A tokenizer made here, texts, and the ids that AutoTokenizer of transformers 5.24.0 gives them without special tokens. */
export interface MadeTokenizer {
  readonly files: TextFiles;
  readonly ids: Readonly<Record<string, readonly number[]>>;
}

const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);

/** The printable stand-ins of byte-level BPE for the ASCII characters used here, and for the two bytes of é. */
const BYTE_LEVEL = ['Ġ', 'Ċ', ...'abcdefghijklmnopqrstuvwxyzHW,.0123456789<>²½', 'Ã', '©', 'Â'];
const BYTE_LEVEL_MERGES = ['h e', 'l l', 'he ll', 'hell o', 'Ġ hello', 'H e', 'Ġ w', 'Ġ 1', '1 9'];

function indexed(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

function special(id: number, content: string, flags: object = {}): object {
  return { id, content, special: true, normalized: false, single_word: false, lstrip: false, rstrip: false, ...flags };
}

interface Parts {
  readonly model: object;
  readonly added?: readonly object[];
  readonly normalizer?: object | null;
  readonly preTokenizer?: object | null;
  readonly config?: object;
  readonly modelType?: string;
  readonly files?: TextFiles;
}

function files({ model, added = [], normalizer = null, preTokenizer = null, config = {}, ...rest }: Parts): TextFiles {
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: null,
    model,
  };
  const tokenizerConfig = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    eos_token: '</s>',
    chat_template: "{% for m in messages %}{{ m['content'] }}\n{% endfor %}",
    ...config,
  };
  return {
    'tokenizer.json': JSON.stringify(tokenizer),
    'tokenizer_config.json': JSON.stringify(tokenizerConfig),
    'config.json': JSON.stringify({ model_type: rest.modelType ?? 'llama' }),
    ...rest.files,
  };
}

function bpe(vocab: readonly string[], merges: readonly string[], more: object = {}): object {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: '<unk>',
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: indexed(vocab),
    merges,
    ...more,
  };
}

const byteLevel = (addPrefixSpace = false, useRegex = true) => ({
  type: 'ByteLevel',
  add_prefix_space: addPrefixSpace,
  trim_offsets: true,
  use_regex: useRegex,
});
const byteLevelModel = bpe(
  [...['<unk>', '<s>', '</s>', ...BYTE_LEVEL], ...BYTE_LEVEL_MERGES.map((merge) => merge.replace(' ', ''))],
  BYTE_LEVEL_MERGES,
);
const llamaModel = bpe(['<unk>', '<s>', '</s>', ...BYTES, '▁', ...'helo', 'he', 'll', '▁he'], ['h e', 'l l', '▁ he'], {
  byte_fallback: true,
  fuse_unk: true,
});
const sentencepiece = {
  type: 'Sequence',
  normalizers: [
    { type: 'Prepend', prepend: '▁' },
    { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  ],
};
const ends = [special(1, '<s>'), special(2, '</s>')];

export const MADE_TOKENIZERS: Readonly<Record<string, MadeTokenizer>> = {
  'Unigram with byte fallback': {
    files: files({
      model: {
        type: 'Unigram',
        unk_id: 0,
        byte_fallback: true,
        vocab: [['<unk>', 0], ['</s>', 0], ...BYTES.map((byte) => [byte, -20]), ['▁', -3], ['▁a', -2], ['b', -2.5]],
      },
      preTokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    }),
    ids: { 'ab é': [259, 260, 258, 197, 171], '中 b': [258, 230, 186, 175, 258, 260] },
  },
  'a Split whose delimiter goes with the next word': {
    files: files({
      model: byteLevelModel,
      preTokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithNext', invert: false },
          byteLevel(false, false),
        ],
      },
    }),
    ids: { 'hello hello w, it': [55, 56, 58, 33, 3, 13, 24] },
  },
  "LlamaTokenizer, whose class replaces the file's normalizer": {
    files: files({
      model: llamaModel,
      added: ends,
      normalizer: sentencepiece,
      config: { tokenizer_class: 'LlamaTokenizer', bos_token: '<s>' },
    }),
    ids: { '<s>hello</s>hello': [1, 264, 265, 263, 2, 264, 265, 263], '   hello': [259, 259, 266, 265, 263] },
  },
  'LlamaTokenizer in its legacy form': {
    files: files({
      model: llamaModel,
      added: ends,
      normalizer: sentencepiece,
      config: { tokenizer_class: 'LlamaTokenizerFast', bos_token: '<s>', legacy: true },
    }),
    ids: { '<s>hello</s>hello': [1, 266, 265, 263, 2, 266, 265, 263], 'é hello': [259, 198, 172, 266, 265, 263] },
  },
  GemmaTokenizer: {
    files: files({
      model: llamaModel,
      added: ends,
      modelType: 'gemma3_text',
      config: { tokenizer_class: 'GemmaTokenizerFast', bos_token: '<s>', pad_token: null, mask_token: null },
    }),
    ids: { 'hello hello': [264, 265, 263, 266, 265, 263], '<s>  é': [1, 259, 259, 198, 172] },
  },
  'Qwen2Tokenizer, though the file names another class': {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(true),
      added: [special(2, '</s>', { lstrip: true })],
      modelType: 'qwen2',
      config: { pad_token: null, unk_token: null },
    }),
    ids: { 'hello 1984 </s>': [55, 3, 36, 44, 43, 39, 3, 2], 'e\u0301': [49, 50] },
  },
  'GPT2Tokenizer with a space before the text': {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(),
      added: ends,
      config: { tokenizer_class: 'GPT2Tokenizer', add_prefix_space: true, bos_token: '<s>', unk_token: '<unk>' },
    }),
    ids: { 'hello hello': [56, 56] },
  },
  GPTNeoXTokenizer: {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(true),
      added: ends,
      config: { tokenizer_class: 'GPTNeoXTokenizer', bos_token: '<s>', unk_token: '<unk>', pad_token: '</s>' },
    }),
    ids: { 'hello e\u0301': [55, 3, 49, 50] },
  },
  'LlamaTokenizer by name, a byte-level file': {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(),
      added: ends,
      config: { tokenizer_class: 'LlamaTokenizer' },
    }),
    ids: { 'hello hello': [55, 56] },
  },
  'tokens by id in tokenizer_config.json': {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(),
      config: {
        added_tokens_decoder: {
          70: { content: '<y>', special: false, lstrip: true, rstrip: false, normalized: true, single_word: false },
          69: { content: '<x>', special: true, lstrip: false, rstrip: false, normalized: false, single_word: false },
        },
      },
    }),
    ids: { 'a<x>b <y>c': [5, 61, 6, 62, 7] },
  },
  'named tokens that only special_tokens_map.json has, and further special ones': {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(),
      config: { additional_special_tokens: ['<a>'], image_token: '<i>' },
      files: {
        'special_tokens_map.json': JSON.stringify({
          sep_token: '<p>',
          pad_token: { content: '<q>', lstrip: true, rstrip: false, normalized: false, single_word: false },
        }),
        'added_tokens.json': JSON.stringify({ '<z>': 90 }),
      },
    }),
    ids: { 'a<p>b <q>c<a>d<z><i>': [5, 62, 6, 63, 7, 65, 8, 61, 64] },
  },
  'further special tokens, with names and without': {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(),
      config: { extra_special_tokens: { image_token: '<i>' }, additional_special_tokens: ['<a>'] },
    }),
    ids: { 'a<i>b<a>c': [5, 61, 6, 62, 7] },
  },
  'an added token that is a word of its own': {
    files: files({
      model: byteLevelModel,
      preTokenizer: byteLevel(),
      added: [{ ...special(69, '<x>', { single_word: true, normalized: true }), special: false }],
    }),
    ids: { 'a<x>b <x> c': [5, 45, 28, 46, 6, 3, 61, 3, 7] },
  },
  'unknown characters that are one token within a word': {
    files: files({
      model: bpe(['<unk>', '</s>', ...'helo', 'he'], ['h e'], { fuse_unk: true }),
      preTokenizer: { type: 'WhitespaceSplit' },
      config: { unk_token: '<unk>' },
    }),
    ids: { 'ΩΩ ψ hello': [0, 0, 6, 4, 4, 5] },
  },
  'WordLevel, whose unknown token only the model names': {
    files: files({
      model: { type: 'WordLevel', vocab: indexed(['<unk>', '</s>', 'hello']), unk_token: '<unk>' },
      preTokenizer: { type: 'Whitespace' },
    }),
    ids: { 'hello there': [2, 0] },
  },
};
