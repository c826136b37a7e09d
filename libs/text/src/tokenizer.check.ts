import { inShort } from './in-short.ts';
import type { JsonObject } from './text-files.ts';
import { isObject } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

/** Ids are row numbers of an embedding: the greatest published vocabularies have a quarter million. */
const MAX_ID = 2 ** 22 - 1;
const MODELS = ['BPE', 'Unigram', 'WordPiece', 'WordLevel'];
const PARTS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'];

/** What the tokenizers library takes on trust: keys, types, and that ids, merges and added tokens fit together. */
export function checkTokenizer(tokenizer: JsonObject): void {
  if (checked.has(tokenizer)) return;
  for (const part of PARTS) {
    const value = tokenizer[part];
    if (value !== null && !(isObject(value) && typeof value['type'] === 'string')) {
      refuse(part, 'neither null nor an object with a type');
    }
  }
  const model = tokenizer['model'];
  if (!isObject(model)) refuse('model', 'not an object');
  if (model['type'] !== undefined && !MODELS.includes(model['type'] as string)) {
    refuse('model.type', `not one of ${MODELS.join(', ')}`);
  }
  const vocabulary = vocabularyOf(model);
  if (model['type'] === 'BPE' || model['merges'] !== undefined)
    checkMerges(model['merges'], vocabulary.ids, model['continuing_subword_prefix']);
  checkAddedTokens(tokenizer['added_tokens'] ?? [], vocabulary.tokens);

  const unknown = model['unk_token'] ?? null;
  if (unknown !== null && !(typeof unknown === 'string' && vocabulary.ids.has(unknown))) {
    refuse('model.unk_token', 'neither null nor a token of model.vocab');
  }
  checked.add(tokenizer);
}

/** A large vocabulary takes a while. */
const checked = new WeakSet<JsonObject>();

/** Older files leave the type out, and the library takes the first kind that has the keys. */
export function modelTypeOf(tokenizer: JsonObject): string {
  const model = tokenizer['model'] as JsonObject;
  const { type, vocab, merges } = model;
  if (typeof type === 'string') return type;
  if (Array.isArray(vocab)) return 'Unigram';
  if (merges !== undefined) return 'BPE';
  return model['max_input_chars_per_word'] === undefined ? 'WordLevel' : 'WordPiece';
}

interface Vocabulary {
  readonly ids: Map<string, number>;
  readonly tokens: Map<number, string>;
}

function vocabularyOf(model: JsonObject): Vocabulary {
  const vocab = model['vocab'];
  const unigram = Array.isArray(vocab) && (model['type'] === 'Unigram' || model['type'] === undefined);
  if (unigram) {
    const pieces = vocab.map(pieceOf);
    return { ids: new Map(pieces.map((piece, id) => [piece, id])), tokens: new Map(pieces.entries()) };
  }
  if (!isObject(vocab)) return refuse('model.vocab', 'not an object of tokens and ids');

  const ids = new Map<string, number>();
  const tokens = new Map<number, string>();
  for (const [token, id] of Object.entries(vocab)) {
    checkId(() => `model.vocab: ${quote(token)}`, id);
    const other = tokens.get(id);
    if (other !== undefined) refuse('model.vocab', `${quote(other)} and ${quote(token)} both have id ${id}`);
    tokens.set(id, token);
    ids.set(token, id);
  }
  return { ids, tokens };
}

function pieceOf(entry: unknown, index: number): string {
  const [piece, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
  if (typeof piece === 'string' && Number.isFinite(score)) return piece;
  return refuse(`model.vocab[${index}]`, 'not a pair of a token and a score');
}

function checkMerges(merges: unknown, vocabulary: ReadonlyMap<string, number>, prefix: unknown): void {
  if (!Array.isArray(merges)) return refuse('model.merges', 'not a list');
  const inPairs = Array.isArray(merges[0]);
  merges.forEach((merge: unknown, index) => {
    const parts: unknown = inPairs || typeof merge !== 'string' ? merge : merge.split(' ');
    const fits = Array.isArray(parts) && Array.isArray(merge) === inPairs;
    const [left, right, more] = fits ? (parts as unknown[]) : [];
    const at = (): string => `model.merges[${index}]`;
    if (typeof left !== 'string' || typeof right !== 'string' || more !== undefined)
      refuse(at(), 'not a pair of tokens');
    // The library cuts the right one's prefix off, whether it is there or not.
    const cut = typeof prefix === 'string' ? prefix.length : 0;
    if (right.length < cut) refuse(at(), `${quote(right)} is shorter than continuing_subword_prefix`);
    for (const token of [left, right, left + right.slice(cut)]) {
      if (!vocabulary.has(token)) refuse(at(), `${quote(token)} is not in model.vocab`);
    }
  });
}

/** Each is put among `tokens`. */
function checkAddedTokens(added: unknown, tokens: Map<number, string>): void {
  if (!Array.isArray(added)) return refuse('added_tokens', 'not a list');
  added.forEach((token: unknown, index) => {
    const at = `added_tokens[${index}]`;
    const { content, id } = isObject(token) ? token : {};
    if (typeof content !== 'string' || content === '') return refuse(`${at}.content`, 'not a text');
    checkId(() => `${at}: ${quote(content)}`, id);
    const other = tokens.get(id) ?? content;
    if (other !== content) refuse(at, `${quote(content)} has the id ${id} of ${quote(other)}`);
    tokens.set(id, content);
  });
}

function checkId(what: () => string, id: unknown): asserts id is number {
  if (!Number.isInteger(id) || Number(id) < 0 || Number(id) > MAX_ID) {
    refuse(what(), `has the id ${inShort(id)}, not a whole number from 0 to ${MAX_ID}`);
  }
}

function quote(token: string): string {
  return JSON.stringify(token.length > 40 ? `${token.slice(0, 40)}...` : token);
}

function refuse(what: string, fault: string): never {
  throw new TextModelError('tokenizer.json', `${what}: ${fault}; save it again with the tokenizers library`);
}
