import type { Document, PromptConfig } from '@solopo/contracts';
import type { TextModel } from '@solopo/text';
import { joinTokens } from './join-tokens.ts';
import { commonPrefix, commonSuffix, encodeStretches, piecesOf } from './pieces.ts';
import type { Piece, Stretch } from './pieces.ts';
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
  const stretches = stretchesOf(pieces, frame, text);
  const tokens = joinTokens(stretches, text);
  const starts = joinedStarts((stretches[0] as Stretch).tokens, pieces, tokens);

  const evidence: Evidence[] = [];
  items.forEach(({ index, relevant }, place) => {
    if (!relevant) return;
    const piece = pieces[place] as Piece;
    const start = starts?.[place];
    const span =
      start === undefined
        ? narrowed(text, tokens, piece.text, spanBetween(place, stretches, piece, tokens, text))
        : { start, end: start + piece.documentTokens };
    evidence.push({ document: index, ...span });
  });
  return { tokens, evidence, documents: items.map(({ index }) => index) };
}

/** The last document goes without a separator of its own, but for one that the tail begins with. */
function stretchesOf(pieces: readonly Piece[], { head, tail }: PromptFrame, text: TextModel): readonly Stretch[] {
  const last = pieces.at(-1);
  const separates = last !== undefined && last.separator !== '' && tail.startsWith(last.separator);
  const rest = separates ? tail.slice(last.separator.length) : tail;
  const [first, ...end] = encodeStretches(last && !separates ? [head, last.text] : [head], text);
  const [tokens] = text.encodeKept([rest]) as [Int32Array];
  return [
    first as Stretch,
    ...(separates ? pieces : pieces.slice(0, -1)).map(({ stretch }) => stretch),
    ...end,
    { text: rest, tokens, beforeWord: false },
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
    const own = piece.stretch.tokens;
    if (!standsAt(tokens, offset, own, last ? piece.documentTokens : own.length)) return undefined;
    starts.push(offset);
    offset += own.length;
  }
  return starts;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** From where the encoding of all before a document parts from the whole's, to where that of all behind it does. */
function spanBetween(
  place: number,
  stretches: readonly Stretch[],
  { text: document }: Piece,
  tokens: Int32Array,
  text: TextModel,
): Span {
  const before = stretches.slice(0, place + 1);
  const last = before.pop() as Stretch;
  const [own, ...behind] = stretches.slice(place + 1) as [Stretch, ...Stretch[]];
  const separator = own.text.slice(document.length);
  const prefix = joinTokens([...before, ending(last.text, text)], text);
  const suffix = joinTokens(startingWith(separator, behind, text), text);
  return { start: commonPrefix(tokens, prefix), end: tokens.length - commonSuffix(tokens, suffix) };
}

function ending(last: string, text: TextModel): Stretch {
  return { text: last, tokens: text.encodeKept([last])[0] as Int32Array, beforeWord: false };
}

function startingWith(separator: string, [next, ...rest]: readonly Stretch[], text: TextModel): readonly Stretch[] {
  if (!next) return [];
  if (rest.length === 0) return [ending(separator + next.text, text)];
  return [...encodeStretches([separator + next.text], text), ...rest];
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
