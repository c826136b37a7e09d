import { inShort } from './in-short.ts';
import { firstTokenProcessor, mergesOf, pieceDecoder, pieceNormalizer, type ScoredPiece } from './sentence-pieces.ts';
import { SPLITTING_RULES, type SplittingRule } from './splitting-rules.ts';
import type { TextFiles } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

type GgufTextFile = 'tokenizer.json' | 'tokenizer_config.json' | 'generation_config.json';

/** What a token is, by ggml's numbers. */
const KIND = { unknown: 2, control: 3, userDefined: 4, unused: 5 } as const;

/** Where generation ends besides at `eos`: turns end with these, by the names that published models give them. */
const ENDS_OF_TURN = ['<|im_end|>', '<|eot_id|>', '<end_of_turn>'];

/** A stand-in that fills the vocabulary up to the embedding's rows. */
const isFiller = (token: string, id: number): boolean => token === `[PAD${id}]`;

/**
 * The tokenizer and chat template of a GGUF file's metadata as files of a Hugging Face model folder. Token ids are llama.cpp's:
 * `tokenizer.ggml.model` is gpt2 (byte-pair encoding of bytes, after a splitting rule that `tokenizer.ggml.pre` names) or llama
 * (pieces with scores, bytes for what has none).
 * @throws TextModelError that names what is missing or not supported
 */
export function ggufTokenizerFiles(metadata: ReadonlyMap<string, unknown>): Required<Pick<TextFiles, GgufTextFile>> {
  const read = new TokenizerReader(metadata);
  const model = read.text('model');
  switch (model) {
    case 'gpt2':
      return bytePairs(read);
    case 'llama':
      return scoredPieces(read);
    default:
      return read.refuse('model', `"${model}" is not supported; supported are gpt2 and llama`);
  }
}

function bytePairs(read: TokenizerReader): Required<Pick<TextFiles, GgufTextFile>> {
  const rule = ruleOf(read);
  const expressions = rule.expressions.map((Regex) => ({
    type: 'Split',
    pattern: { Regex },
    behavior: 'Isolated',
    invert: false,
  }));
  const bytes = { add_prefix_space: false, trim_offsets: true, use_regex: false };
  const merges = read.texts('merges').map((merge, i) => {
    const cut = merge.indexOf(' ', 1);
    return cut > 0 ? [merge.slice(0, cut), merge.slice(cut + 1)] : read.refuse('merges', `number ${i} is no pair`);
  });
  return filesOf(read, rule.addsFirst, {
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...expressions, { type: 'ByteLevel', ...bytes }] },
    decoder: { type: 'ByteLevel', ...bytes },
    model: { unk_token: null, byte_fallback: false, ignore_merges: rule.wholeWords, merges },
  });
}

function scoredPieces(read: TokenizerReader): Required<Pick<TextFiles, GgufTextFile>> {
  const prefixed = read.flag('add_space_prefix') ?? true;
  const scores = read.numbers('scores');
  if (scores.length < read.tokens.length) read.refuse('scores', 'are fewer than the tokens');
  const pieces: ScoredPiece[] = read.tokens.flatMap((text, id) =>
    read.isOrdinary(id) ? [{ text, score: scores[id] as number }] : [],
  );
  const unknown = read.id('unknown');
  return filesOf(read, true, {
    normalizer: pieceNormalizer(prefixed),
    pre_tokenizer: null,
    decoder: pieceDecoder(prefixed),
    model: {
      unk_token: unknown === undefined ? null : read.tokens[unknown],
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      merges: mergesOf(pieces),
    },
  });
}

function ruleOf(read: TokenizerReader): SplittingRule {
  const name = read.optionalText('pre') ?? 'default';
  const rule = Object.hasOwn(SPLITTING_RULES, name) ? SPLITTING_RULES[name] : undefined;
  if (rule) return rule;
  const known = Object.keys(SPLITTING_RULES).join(', ');
  return read.refuse('pre', `the splitting rule "${name}" is not known; known are ${known}`);
}

interface Parts {
  readonly normalizer: object | null;
  readonly pre_tokenizer: object | null;
  readonly decoder: object;
  readonly model: object;
}

function filesOf(
  read: TokenizerReader,
  addsFirst: boolean,
  { model, ...parts }: Parts,
): Required<Pick<TextFiles, GgufTextFile>> {
  const { tokens } = read;
  const [bos, eos, pad, unk] = [read.id('bos'), read.id('eos'), read.id('padding'), read.id('unknown')];
  const first = (read.flag('add_bos_token') ?? addsFirst) ? bos : undefined;
  const named = (id: number | undefined): string | null => (id === undefined ? null : (tokens[id] as string));
  const special = tokens.flatMap((content, id) =>
    read.isAdded(id)
      ? [
          {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: read.isSpecial(id),
          },
        ]
      : [],
  );
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special,
    ...parts,
    post_processor: first === undefined ? null : firstTokenProcessor(tokens[first] as string, first),
    model: {
      type: 'BPE',
      dropout: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      ...model,
      vocab: Object.fromEntries(tokens.flatMap((token, id) => (read.isFiller(id) ? [] : [[token, id] as const]))),
    },
  };
  const template = read.chatTemplate;
  const ends = [eos, read.id('eot'), read.id('eom'), ...ENDS_OF_TURN.map((token) => read.specialId(token))];
  return {
    'tokenizer.json': pretty(tokenizer),
    'tokenizer_config.json': pretty({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: named(bos),
      eos_token: named(eos),
      pad_token: named(pad),
      unk_token: named(unk),
      add_bos_token: first !== undefined,
      add_eos_token: false,
      clean_up_tokenization_spaces: false,
      ...(template === undefined ? {} : { chat_template: template }),
    }),
    'generation_config.json': pretty({
      bos_token_id: bos,
      eos_token_id: [...new Set(ends.filter((id) => id !== undefined))],
      pad_token_id: pad,
    }),
  };
}

/** `tokenizer.ggml.*`: every refusal names the key. */
class TokenizerReader {
  readonly tokens: readonly string[];
  readonly #kinds: readonly number[];

  constructor(private readonly metadata: ReadonlyMap<string, unknown>) {
    if (this.#get('model') === undefined)
      throw new TextModelError(
        'tokenizer.ggml.model',
        "missing: the GGUF file has no tokenizer; take one that has, or the model's Hugging Face folder",
      );
    this.tokens = this.texts('tokens');
    this.#kinds = this.#get('token_type') === undefined ? [] : this.numbers('token_type');
    const first = new Map<string, number>();
    this.tokens.forEach((token, id) => {
      if (token === '' || first.has(token)) this.refuse('tokens', `number ${id} is empty or there before`);
      first.set(token, id);
    });
  }

  get chatTemplate(): string | undefined {
    const template = this.metadata.get('tokenizer.chat_template');
    return typeof template === 'string' ? template : undefined;
  }

  text(key: string): string {
    return this.optionalText(key) ?? this.refuse(key, 'missing');
  }

  optionalText(key: string): string | undefined {
    const value = this.#get(key);
    return value === undefined || typeof value === 'string' ? value : this.refuse(key, 'not a text');
  }

  flag(key: string): boolean | undefined {
    const value = this.#get(key);
    return value === undefined || typeof value === 'boolean' ? value : this.refuse(key, 'neither true nor false');
  }

  texts(key: string): readonly string[] {
    const value = this.#get(key);
    const isTexts = Array.isArray(value) && value.every((item): item is string => typeof item === 'string');
    return isTexts ? value : this.refuse(key, value === undefined ? 'missing' : 'not a list of texts');
  }

  numbers(key: string): readonly number[] {
    const value = this.#get(key);
    const isNumbers = Array.isArray(value) && value.every((item): item is number => typeof item === 'number');
    return isNumbers ? value : this.refuse(key, value === undefined ? 'missing' : 'not a list of numbers');
  }

  /** The token that has a role. */
  id(role: string): number | undefined {
    const id = this.#get(`${role}_token_id`);
    if (id === undefined) return undefined;
    if (typeof id !== 'number' || this.tokens[id] === undefined)
      return this.refuse(`${role}_token_id`, `${inShort(id)} is the number of no token`);
    return id;
  }

  specialId(token: string): number | undefined {
    const id = this.tokens.indexOf(token);
    return id >= 0 && this.isSpecial(id) ? id : undefined;
  }

  isSpecial(id: number): boolean {
    return this.#kinds[id] === KIND.control || this.#kinds[id] === KIND.unknown;
  }

  /** Found in a text before anything else is done to it. */
  isAdded(id: number): boolean {
    return this.isSpecial(id) || this.#kinds[id] === KIND.userDefined;
  }

  /** What texts are made of. */
  isOrdinary(id: number): boolean {
    return !this.isAdded(id) && !this.isFiller(id);
  }

  isFiller(id: number): boolean {
    return this.#kinds[id] === KIND.unused && isFiller(this.tokens[id] as string, id);
  }

  refuse(key: string, fault: string): never {
    throw new TextModelError(`tokenizer.ggml.${key}`, `${fault}; take the model's Hugging Face folder`);
  }

  #get(key: string): unknown {
    return this.metadata.get(`tokenizer.ggml.${key}`);
  }
}

function pretty(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
