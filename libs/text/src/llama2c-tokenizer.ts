import { firstTokenProcessor, mergesOf, pieceDecoder, pieceNormalizer, SPACE } from './sentence-pieces.ts';
import type { TextFiles } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

const UNKNOWN = '<unk>';
const BEGIN = '<s>';
const END = '</s>';
const FIRST_BYTE = 3;
const FIRST_PIECE = FIRST_BYTE + 256;

/** A text begins with `<s>`; messages stand behind one another as they are, and an answer ends with `</s>`. */
const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}";

type Llama2cFile = 'tokenizer.json' | 'tokenizer_config.json' | 'generation_config.json';

interface Piece {
  readonly score: number;
  readonly bytes: Buffer;
}

/**
 * The tokenizer of a llama2.c model (`tokenizer.bin`, `tok512.bin`) as files of a Hugging Face model folder.
 *
 * The file: int32 greatest token length, then for each token float32 score, int32 byte length, bytes. Token 0 is
 * unknown, 1 begins and 2 ends a text, 3 to 258 are the single bytes; the pieces behind them have scores. llama2.c puts
 * a space before a text.
 *
 * `<s>` is written by the chat template, and by `post_processor` for those who encode with special tokens; `</s>` by
 * neither before an answer ends. Stories end where the next would begin, so generation ends at both.
 */
export function llama2cTokenizerFiles(tok: Buffer): Required<Pick<TextFiles, Llama2cFile>> {
  const pieces = piecesOf(tok);
  const vocab = vocabularyOf(pieces);
  const scored = [...vocab].slice(FIRST_PIECE).map(([text, id]) => ({ text, score: (pieces[id] as Piece).score }));
  const special = [UNKNOWN, BEGIN, END].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: pieceNormalizer(true),
    pre_tokenizer: null,
    post_processor: firstTokenProcessor(BEGIN, 1),
    decoder: pieceDecoder(true),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: UNKNOWN,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(vocab),
      merges: mergesOf(scored),
    },
  };
  const tokenizerConfig = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    unk_token: UNKNOWN,
    bos_token: BEGIN,
    eos_token: END,
    pad_token: null,
    add_bos_token: true,
    add_eos_token: false,
    clean_up_tokenization_spaces: false,
    chat_template: CHAT_TEMPLATE,
  };
  return {
    'tokenizer.json': pretty(tokenizer),
    'tokenizer_config.json': pretty(tokenizerConfig),
    'generation_config.json': pretty({ bos_token_id: 1, eos_token_id: [2, 1] }),
  };
}

function piecesOf(tok: Buffer): Piece[] {
  const pieces: Piece[] = [];
  let offset = 4;
  while (offset < tok.length) {
    const start = offset + 8;
    const length = start <= tok.length ? tok.readInt32LE(offset + 4) : -1;
    if (length < 0 || start + length > tok.length) refuse(`token ${pieces.length} is cut off`);
    const score = tok.readFloatLE(offset);
    if (!Number.isFinite(score)) refuse(`the score of token ${pieces.length} is not a number`);
    pieces.push({ score, bytes: tok.subarray(start, start + length) });
    offset = start + length;
  }
  if (pieces.length <= FIRST_PIECE) refuse(`${pieces.length} tokens, where ${FIRST_PIECE} are special ones and bytes`);
  return pieces;
}

function vocabularyOf(pieces: readonly Piece[]): Map<string, number> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const vocabulary = new Map<string, number>();
  pieces.forEach(({ bytes }, id) => {
    const token = nameOf(id) ?? textOf(bytes, id).replaceAll(' ', SPACE);
    if (token === '' || vocabulary.has(token)) refuse(`token ${id} is empty or there before`);
    vocabulary.set(token, id);
  });
  return vocabulary;

  function textOf(bytes: Buffer, id: number): string {
    try {
      return utf8.decode(bytes);
    } catch {
      return refuse(`token ${id} is not UTF-8`);
    }
  }
}

function nameOf(id: number): string | undefined {
  if (id < FIRST_BYTE) return [UNKNOWN, BEGIN, END][id];
  if (id >= FIRST_PIECE) return undefined;
  return `<0x${(id - FIRST_BYTE).toString(16).toUpperCase().padStart(2, '0')}>`;
}

function pretty(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function refuse(fault: string): never {
  throw new TextModelError('tokenizer.bin', `${fault}; fetch the file that belongs to the llama2.c model`);
}
