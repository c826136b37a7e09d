import type { TextModel } from '@solopo/text';
import type { Stretch } from './pieces.ts';
import { commonPrefix, commonSuffix, encodeStretches } from './pieces.ts';

/** Characters on each side of a border that are encoded again, at least. */
const REACH = 16;
/** So much further a word's end is looked for. */
const WORD_REACH = 200;

/**
 * The tokens of a text in stretches, put together from those of each where that is what encoding the whole gives. Between
 * the end of a line and a letter that was found out with the stretch, which was encoded with a word behind it; at other
 * borders the surroundings are encoded again, and must part where the stretches do. Stretches at a border where they do
 * not, or that are too short to tell, are encoded in one; all are, where the tokenizer does not part texts locally.
 */
export function joinTokens(stretches: readonly Stretch[], text: TextModel): Int32Array {
  let current = stretches;
  for (;;) {
    const parts = bordersOf(current).length === 0 ? [] : partsAtBorders(current, text);
    if (parts.every(Boolean)) return concatenated(current);
    current = mergedAt(parts, current, text);
  }
}

type Border = readonly [before: Stretch, behind: Stretch];

function bordersOf(stretches: readonly Stretch[]): Border[] {
  return stretches.slice(1).map((behind, index) => [stretches[index] as Stretch, behind]);
}

function partsAtBorders(stretches: readonly Stretch[], text: TextModel): readonly boolean[] {
  const { parting } = text;
  const borders = bordersOf(stretches);
  if (!parting) return borders.map(() => false);
  const sure = borders.map((border) => parting.atLines && isLineEnd(border));
  const reach = Math.max(REACH, parting.reach);
  const found = partsAround(
    borders.filter((_, index) => !sure[index]),
    reach,
    text,
  );
  return sure.map((isSure) => isSure || found.shift() === true);
}

function isLineEnd([before, behind]: Border): boolean {
  return before.beforeWord && /[\r\n]$/.test(before.text) && /^\p{L}/u.test(behind.text);
}

/** Whether the surroundings of each border are encoded as its sides are. */
function partsAround(borders: readonly Border[], reach: number, text: TextModel): boolean[] {
  const around = borders.map(([before, behind]) => {
    const [end, start] = [endOf(before.text, reach), startOf(behind.text, reach)];
    return end === undefined || start === undefined ? undefined : ([end, start] as const);
  });
  const told = around.filter((sides) => sides !== undefined);
  const apart = encodeStretches(told.flat(), text);
  const whole = text.encodeAll(told.map(([end, start]) => end + start));
  return around.map((sides, index) => {
    if (!sides) return false;
    const tokens = whole.shift() as Int32Array;
    const [{ tokens: end }, { tokens: start }] = apart.splice(0, 2) as [Stretch, Stretch];
    const [before, behind] = borders[index] as Border;
    return (
      tokens.length === end.length + start.length &&
      commonPrefix(tokens, end) === end.length &&
      commonSuffix(tokens, start) === start.length &&
      commonSuffix(before.tokens, end) === end.length &&
      commonPrefix(behind.tokens, start) === start.length
    );
  });
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

/** One stretch of those on both sides of a border that does not part; the last one ends the text. */
function mergedAt(parts: readonly boolean[], stretches: readonly Stretch[], text: TextModel): readonly Stretch[] {
  const groups: [Stretch, ...Stretch[]][] = [];
  stretches.forEach((stretch, index) => {
    if (index > 0 && !parts[index - 1]) groups.at(-1)?.push(stretch);
    else groups.push([stretch]);
  });
  const texts = groups.map((group) => group.map((stretch) => stretch.text).join(''));
  const inner = [...groups.keys()].filter((index) => groups[index]?.length !== 1 && index < groups.length - 1);
  const encoded = encodeStretches(
    inner.map((index) => texts[index] as string),
    text,
  );
  const merged = new Map(inner.map((index, place) => [index, encoded[place] as Stretch]));
  return groups.map((group, index) => {
    if (group.length === 1) return group[0];
    const whole = texts[index] as string;
    return merged.get(index) ?? { text: whole, tokens: text.encode(whole), beforeWord: false };
  });
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
