import type { Document, PromptConfig } from '@solopo/contracts';
import type { TextModel } from '@solopo/text';
import type { Stretch } from './join-tokens.ts';
import { joinTokens } from './join-tokens.ts';
import { commonPrefix, commonSuffix, encodeBeforeWord, piecesOf } from './pieces.ts';
import type { Piece } from './pieces.ts';
import type { PromptFrame } from './prompt.ts';

/** A document of a context. */
export interface Item {
  /** Its number among the example's own; behind them, documents of the pool count on in the order they were drawn. */
  readonly index: number;
  readonly document: Document;
  /** Evidence of this example: a pool document never is, whatever it was to its own example. */
  readonly relevant: boolean;
}

/** Where a relevant document stands: the tokens from `start` up to, not including, `end` hold all of it. */
export interface Evidence {
  readonly document: number;
  readonly start: number;
  readonly end: number;
}

export interface ComposedContext {
  /** The whole rendered prompt, encoded. */
  readonly tokens: Int32Array;
  /** In the order of the prompt. */
  readonly evidence: readonly Evidence[];
  /** The documents in the order of the prompt, by their `index`. */
  readonly documents: readonly number[];
}

/** The exact tokens of a prompt with these documents in this order, and where its evidence stands. */
export function assemble(
  items: readonly Item[],
  frame: PromptFrame,
  prompt: PromptConfig,
  text: TextModel,
): ComposedContext {
  const documents = items.map(({ document }) => document);
  const pieces = piecesOf(documents, prompt, text);
  const whole = frame.head + pieces.map((piece) => piece.text).join(prompt.separator) + frame.tail;
  const [head] = encodeBeforeWord([frame.head], text) as [Int32Array];
  const tokens = joinTokens(stretchesOf(head, pieces, frame, text), text) ?? text.encode(whole);
  const starts = joinedStarts(head, pieces, tokens);

  const evidence: Evidence[] = [];
  let character = frame.head.length;
  items.forEach(({ index, relevant }, place) => {
    const piece = pieces[place]!;
    const nextCharacter = character + piece.text.length;
    if (relevant) {
      const start = starts?.[place];
      const span =
        start === undefined
          ? narrowed(text, tokens, piece.text, {
              start: commonPrefix(tokens, text.encode(whole.slice(0, character))),
              end: tokens.length - commonSuffix(tokens, text.encode(whole.slice(nextCharacter))),
            })
          : { start, end: start + piece.documentTokens };
      evidence.push({ document: index, ...span });
    }
    character = nextCharacter + prompt.separator.length;
  });
  return { tokens, evidence, documents: items.map(({ index }) => index) };
}

/** The last document goes without a separator of its own, but for one that the tail begins with. */
function stretchesOf(
  head: Int32Array,
  pieces: readonly Piece[],
  frame: PromptFrame,
  text: TextModel,
): readonly Stretch[] {
  const last = pieces.at(-1);
  if (!last) return [];
  const separates = last.separator !== '' && frame.tail.startsWith(last.separator);
  const tail = separates ? frame.tail.slice(last.separator.length) : frame.tail;
  const [end] = encodeBeforeWord([last.text], text) as [Int32Array];
  return [
    { text: frame.head, tokens: head },
    ...pieces.slice(0, -1).map((piece) => ({ text: piece.text + piece.separator, tokens: piece.tokens })),
    separates ? { text: last.text + last.separator, tokens: last.tokens } : { text: last.text, tokens: end },
    { text: tail, tokens: text.encode(tail) },
  ];
}

/**
 * Documents encoded on their own nearly always join to the encoding of the whole: then each begins where the ones
 * before it end. Where they do not (a tokenizer that merges over a border), the answer is `undefined`, and a document
 * begins where the encoding of all before it parts from the whole's, and ends where that of all behind it does, but for
 * tokens of the separators alone.
 */
function joinedStarts(head: Int32Array, pieces: readonly Piece[], tokens: Int32Array): readonly number[] | undefined {
  if (!standsAt(tokens, 0, head, head.length)) return undefined;
  const starts: number[] = [];
  let offset = head.length;
  for (const piece of pieces) {
    const last = starts.length === pieces.length - 1;
    if (!standsAt(tokens, offset, piece.tokens, last ? piece.documentTokens : piece.tokens.length)) return undefined;
    starts.push(offset);
    offset += piece.tokens.length;
  }
  return starts;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** The span without the tokens at its ends that the document does not need. */
function narrowed(text: TextModel, tokens: Int32Array, document: string, span: Span): Span {
  const wanted = text.decode(text.encode(document));
  const holds = (start: number, end: number) =>
    start < end && text.decode(tokens.subarray(start, end)).includes(wanted);
  let { start, end } = span;
  while (holds(start + 1, end)) start += 1;
  while (holds(start, end - 1)) end -= 1;
  return { start, end };
}

function standsAt(whole: Int32Array, offset: number, part: Int32Array, length: number): boolean {
  for (let index = 0; index < length; index++) {
    if (whole[offset + index] !== part[index]) return false;
  }
  return true;
}
