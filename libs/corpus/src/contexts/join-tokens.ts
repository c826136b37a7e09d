import type { TextModel } from '@solopo/text';
import { commonPrefix, commonSuffix, encodeBeforeWord } from './pieces.ts';

/** A stretch of a text and its tokens, encoded on its own (before a word, where it ends with white space). */
export interface Stretch {
  readonly text: string;
  readonly tokens: Int32Array;
}

/** Characters on each side of a border that are encoded again, at least. */
const REACH = 16;
/** So much further a word's end is looked for. */
const WORD_REACH = 200;

/**
 * The tokens of stretches put together, from those of each, where that is what encoding the whole gives: the
 * surroundings of every border, encoded, must part where the stretches do. `undefined` where they do not, where the
 * tokenizer does not part texts locally, or where a stretch is too short to tell: then the whole is to be encoded.
 */
export function joinTokens(stretches: readonly Stretch[], text: TextModel): Int32Array | undefined {
  if (!text.partsLocally) return undefined;
  const reach = Math.max(REACH, text.reach);
  const ends = stretches.slice(0, -1).map((stretch) => endOf(stretch.text, reach));
  const starts = stretches.slice(1).map((stretch) => startOf(stretch.text, reach));
  if (!areAll(ends) || !areAll(starts)) return undefined;

  const apart = encodeBeforeWord([...ends, ...starts], text);
  const whole = text.encodeAll(ends.map((end, border) => end + (starts[border] as string)));
  const partsThere = whole.every((tokens, border) => {
    const end = apart[border] as Int32Array;
    const start = apart[ends.length + border] as Int32Array;
    const [before, behind] = [stretches[border] as Stretch, stretches[border + 1] as Stretch];
    return (
      tokens.length === end.length + start.length &&
      commonPrefix(tokens, end) === end.length &&
      commonSuffix(tokens, start) === start.length &&
      commonSuffix(before.tokens, end) === end.length &&
      commonPrefix(behind.tokens, start) === start.length
    );
  });
  return partsThere ? concatenated(stretches) : undefined;
}

function areAll(texts: readonly (string | undefined)[]): texts is readonly string[] {
  return texts.every((text) => text !== undefined);
}

/** The last characters from where a word ends on: there, every pattern that parts locally begins anew. */
function endOf(text: string, reach: number): string | undefined {
  for (let at = text.length - reach; at > 0 && at > text.length - reach - WORD_REACH; at--) {
    if (endsWord(text, at)) return text.slice(at);
  }
  return undefined;
}

function startOf(text: string, reach: number): string | undefined {
  for (let at = reach; at < text.length && at < reach + WORD_REACH; at++) {
    if (endsWord(text, at)) return text.slice(0, at);
  }
  return undefined;
}

function endsWord(text: string, at: number): boolean {
  return text[at] === ' ' && /\S/.test(text[at - 1] as string);
}

function concatenated(stretches: readonly Stretch[]): Int32Array {
  const tokens = new Int32Array(stretches.reduce((sum, stretch) => sum + stretch.tokens.length, 0));
  let offset = 0;
  for (const stretch of stretches) {
    tokens.set(stretch.tokens, offset);
    offset += stretch.tokens.length;
  }
  return tokens;
}
