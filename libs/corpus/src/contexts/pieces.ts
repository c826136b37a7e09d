import type { Document, PromptConfig } from '@solopo/contracts';
import type { TextModel } from '@solopo/text';
import { quotedDocument, renderDocument } from './prompt.ts';

/** A stretch of a text, encoded on its own. */
export interface Stretch {
  readonly text: string;
  readonly tokens: Int32Array;
  /** It ends with white space, and these are the tokens that it has where a word follows. */
  readonly beforeWord: boolean;
}

/** A document as it stands in a prompt, and the stretch of it and the separator behind it. */
export interface Piece {
  readonly text: string;
  readonly separator: string;
  readonly stretch: Stretch;
  /** The first tokens that cover the document itself; the rest are the separator's alone. */
  readonly documentTokens: number;
}

const cache = new WeakMap<TextModel, WeakMap<Document, Piece>>();

export function pieceOf(document: Document, prompt: PromptConfig, text: TextModel): Piece {
  return piecesOf([document], prompt, text)[0] as Piece;
}

/** Kept as long as the documents are; ids longer than that, for a document that is read again. */
export function piecesOf(documents: readonly Document[], prompt: PromptConfig, text: TextModel): Piece[] {
  const { separator } = prompt;
  const ofModel = cache.get(text) ?? new WeakMap<Document, Piece>();
  cache.set(text, ofModel);
  const rendered = documents.map((document) => renderDocument(quotedDocument(document, prompt, text), prompt));
  const isKnown = (document: Document, index: number) => {
    const piece = ofModel.get(document);
    return piece?.text === rendered[index] && piece?.separator === separator;
  };
  const missing = [...documents.keys()].filter((index) => !isKnown(documents[index] as Document, index));
  const texts = missing.map((index) => rendered[index] as string);
  if (texts.length > 0) {
    const [alone, ...stretches] = encodeStretches([separator, ...texts.map((each) => each + separator)], text);
    missing.forEach((index, place) => {
      const stretch = stretches[place] as Stretch;
      const documentTokens = stretch.tokens.length - commonSuffix(stretch.tokens, (alone as Stretch).tokens);
      ofModel.set(documents[index] as Document, { text: texts[place] as string, separator, stretch, documentTokens });
    });
  }
  return documents.map((document) => ofModel.get(document) as Piece);
}

const WORD = 'A';

/**
 * Each text on its own, with the tokens that it has where a word follows it. White space at an end may be parted otherwise
 * than in the middle: SmolLM2 has one token for two line breaks at the end of a text, two tokens before a word.
 */
export function encodeStretches(texts: readonly string[], text: TextModel): Stretch[] {
  const open = texts.map((each) => /\s$/.test(each));
  const [word, ...encoded] = text.encodeKept([WORD, ...texts.map((each, index) => (open[index] ? each + WORD : each))]);
  const beforeWord = encoded.map(
    (tokens, index) => open[index] === true && word?.length === 1 && tokens.at(-1) === word[0],
  );
  const merging = texts.filter((_, index) => open[index] && !beforeWord[index]);
  const apart = new Map(text.encodeKept(merging).map((tokens, index) => [merging[index], tokens]));
  return texts.map((each, index) => {
    const tokens = encoded[index] as Int32Array;
    return beforeWord[index]
      ? { text: each, tokens: tokens.subarray(0, -1), beforeWord: true }
      : { text: each, tokens: apart.get(each) ?? tokens, beforeWord: false };
  });
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
