import type { Document, PromptConfig } from '@solopo/contracts';
import type { TextModel } from '@solopo/text';
import { renderDocument } from './prompt.ts';

/** A document as it stands in a prompt, with the separator behind it, encoded on its own. */
export interface Piece {
  readonly text: string;
  readonly tokens: Int32Array;
  /** The first tokens that cover the document itself; the rest are the separator's alone. */
  readonly documentTokens: number;
}

interface CachedPiece extends Piece {
  readonly separator: string;
}

const cache = new WeakMap<TextModel, WeakMap<Document, CachedPiece>>();

/** Kept as long as the document is: a document of a pool is met in many contexts. */
export function pieceOf(document: Document, prompt: PromptConfig, text: TextModel): Piece {
  const ofModel = cache.get(text) ?? new WeakMap<Document, CachedPiece>();
  cache.set(text, ofModel);
  const rendered = renderDocument(document, prompt);
  const cached = ofModel.get(document);
  if (cached?.text === rendered && cached.separator === prompt.separator) return cached;

  const tokens = encodeBeforeWord(rendered + prompt.separator, text);
  const separatorTokens = commonSuffix(tokens, encodeBeforeWord(prompt.separator, text));
  const piece = {
    text: rendered,
    separator: prompt.separator,
    tokens,
    documentTokens: tokens.length - separatorTokens,
  };
  ofModel.set(document, piece);
  return piece;
}

const WORD = 'A';

/**
 * The tokens that a text has where a word follows it. White space at an end may be parted otherwise than in the middle:
 * SmolLM2 has one token for two line breaks at the end of a text, two tokens before a word.
 */
export function encodeBeforeWord(given: string, text: TextModel): Int32Array {
  if (!/\s$/.test(given)) return text.encode(given);
  const tokens = text.encode(given + WORD);
  const [word, more] = text.encode(WORD);
  return more === undefined && tokens.at(-1) === word ? tokens.slice(0, -1) : text.encode(given);
}

export function commonPrefix(a: Int32Array, b: Int32Array): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a[length] === b[length]) length += 1;
  return length;
}

export function commonSuffix(a: Int32Array, b: Int32Array): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a[a.length - 1 - length] === b[b.length - 1 - length]) length += 1;
  return length;
}
