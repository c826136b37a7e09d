/** Python's `str`: its characters are code points, where JavaScript's are UTF-16 units. */

/** What `str.isspace` and `\s` mean, without brackets. JavaScript's own differ in U+FEFF, U+001C to U+001F and U+0085. */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const LEADING_SPACE = new RegExp(`^[${SPACE}]+`);
const IS_SPACE = new RegExp(`^[${SPACE}]$`);
const SURROGATE = /[\ud800-\udfff]/;

export function isSpace(character: string): boolean {
  return IS_SPACE.test(character);
}

export function lengthOf(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

export interface Slice {
  readonly start: number | undefined;
  readonly stop: number | undefined;
  readonly step: number;
}

/** Of a sequence of `length` items: the indices that a slice takes. */
export function sliceIndices({ start, stop, step }: Slice, length: number): { from: number; to: number } {
  const bound = (index: number | undefined, whenLeftOut: number): number => {
    if (index === undefined) return whenLeftOut;
    const lowest = step > 0 ? 0 : -1;
    const highest = step > 0 ? length : length - 1;
    return index < 0 ? Math.max(index + length, lowest) : Math.min(index, highest);
  };
  return { from: bound(start, step > 0 ? 0 : length - 1), to: bound(stop, step > 0 ? length : -1) };
}

export function sliced<T>(items: ArrayLike<T>, slice: Slice): T[] {
  const { from, to } = sliceIndices(slice, items.length);
  const taken: T[] = [];
  for (let index = from; slice.step > 0 ? index < to : index > to; index += slice.step) taken.push(items[index] as T);
  return taken;
}

export function sliceText(text: string, slice: Slice): string {
  if (!SURROGATE.test(text) && slice.step === 1) {
    const { from, to } = sliceIndices(slice, text.length);
    return text.slice(from, Math.max(from, to));
  }
  return sliced(SURROGATE.test(text) ? [...text] : text, slice).join('');
}

export function characterAt(text: string, index: number): string | undefined {
  const characters = SURROGATE.test(text) ? [...text] : text;
  return characters[index < 0 ? index + characters.length : index];
}

/** By code points, where JavaScript compares UTF-16 units. */
export function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for the code points beyond U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

export function strip(text: string, characters: string | undefined, sides: 'both' | 'left' | 'right'): string {
  const set = characters === undefined ? undefined : new Set(characters);
  const isStripped = (character: string): boolean => (set ? set.has(character) : isSpace(character));
  let [start, end] = [0, text.length];
  while (sides !== 'right' && start < end) {
    const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
    if (!isStripped(character)) break;
    start += character.length;
  }
  while (sides !== 'left' && end > start) {
    const character = lastCharacter(text, start, end);
    if (!isStripped(character)) break;
    end -= character.length;
  }
  return text.slice(start, end);
}

function lastCharacter(text: string, start: number, end: number): string {
  const pair = end - start > 1 ? text.slice(end - 2, end) : '';
  return (pair.codePointAt(0) ?? 0) > 0xffff ? pair : text.slice(end - 1, end);
}

/** Where `part` begins in `text`, among its first `most` places; at every border for the empty text. */
export function parted(text: string, part: string, most = Infinity): string[] {
  const parts: string[] = [];
  let start = 0;
  while (parts.length < most) {
    const at = text.indexOf(part, start);
    if (at < 0) break;
    parts.push(text.slice(start, at));
    start = at + part.length;
  }
  return [...parts, text.slice(start)];
}

export function partedFromRight(text: string, part: string, most = Infinity): string[] {
  const parts: string[] = [];
  let end = text.length;
  while (parts.length < most) {
    const at = end < part.length ? -1 : text.lastIndexOf(part, end - part.length);
    if (at < 0) break;
    parts.push(text.slice(at + part.length, end));
    end = at;
  }
  return [...parts, text.slice(0, end)].reverse();
}

/** At runs of white space, without empty parts. */
export function words(text: string, most = Infinity): string[] {
  const found: string[] = [];
  let rest = text.replace(LEADING_SPACE, '');
  const run = new RegExp(`[${SPACE}]+`);
  while (rest !== '') {
    const space = run.exec(rest);
    if (found.length >= most || !space) return [...found, rest];
    found.push(rest.slice(0, space.index));
    rest = rest.slice(space.index + space[0].length);
  }
  return found;
}

export function wordsFromRight(text: string, most = Infinity): string[] {
  const found: string[] = [];
  let rest = strip(text, undefined, 'right');
  while (rest !== '' && found.length < most) {
    let start = rest.length;
    while (start > 0 && !isSpace(rest.charAt(start - 1))) start -= 1;
    found.push(rest.slice(start));
    rest = strip(rest.slice(0, start), undefined, 'right');
  }
  return (rest === '' ? found : [...found, rest]).reverse();
}

const LINE = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

export function lines(text: string, keepEnds = false): string[] {
  const found: string[] = [];
  let start = 0;
  for (const { 0: end, index } of text.matchAll(LINE)) {
    found.push(text.slice(start, keepEnds ? index + end.length : index));
    start = index + end.length;
  }
  return start < text.length ? [...found, text.slice(start)] : found;
}

export function replaced(text: string, old: string, by: string, most: number): string {
  if (old !== '') return parted(text, old, most < 0 ? Infinity : most).join(by);
  const characters = [...text];
  const places = most < 0 ? characters.length + 1 : Math.min(most, characters.length + 1);
  return (
    characters.map((character, index) => (index < places ? by : '') + character).join('') +
    (places > characters.length ? by : '')
  );
}

/** How often `part` occurs, without overlaps. */
export function countOf(text: string, part: string): number {
  return part === '' ? lengthOf(text) + 1 : parted(text, part).length - 1;
}

/** Letters whose title case is neither they themselves, nor their upper case, nor its first character with the rest in lower case. */
const TITLES: Readonly<Record<string, string>> = {
  Ǆ: 'ǅ',
  ǅ: 'ǅ',
  ǆ: 'ǅ',
  Ǉ: 'ǈ',
  ǈ: 'ǈ',
  ǉ: 'ǈ',
  Ǌ: 'ǋ',
  ǋ: 'ǋ',
  ǌ: 'ǋ',
  Ǳ: 'ǲ',
  ǲ: 'ǲ',
  ǳ: 'ǲ',
  ŉ: 'ʼN',
};

/** Georgian letters and Greek ones with an iota below have a title case of their own. */
export function titled(character: string): string {
  const known = TITLES[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x10d0 && code <= 0x10ff) return character;
  const upper = character.toUpperCase();
  const [first = '', ...rest] = upper;
  if (rest.length === 0) return upper;
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8);
  if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return String.fromCodePoint(code + 9);
  if (code === 0x1fbc || code === 0x1fcc || code === 0x1ffc) return character;
  if (code >= 0x1fb0 && code <= 0x1fff && rest.at(-1) === '\u0399') return `${upper.slice(0, -1)}\u0345`;
  return first + rest.join('').toLowerCase();
}

export function capitalized(text: string): string {
  const first = firstOf(text);
  return text === '' ? '' : titled(first) + lowered(text).slice(lowered(first).length);
}

export function lowered(text: string): string {
  return text.toLowerCase();
}

const CASED = /[\p{Uppercase}\p{Lowercase}\p{Lt}]/u;

/** What may stand between the letters of a word. */
const IGNORED = /^[\p{Mn}\p{Me}\p{Cf}\p{Lm}\p{Sk}'.:·’]+/u;

/** The first character. */
function firstOf(text: string): string {
  return text === '' ? '' : String.fromCodePoint(text.codePointAt(0) ?? 0);
}

/** `str.title`: every letter behind an uncased character. */
export function titleOf(text: string): string {
  let result = '';
  let isInWord = false;
  let offset = 0;
  for (const character of text) {
    // The sigma at the end of a word has a lower case of its own.
    const isSigma = character === '\u03a3' && isInWord;
    const last = isSigma && !CASED.test(firstOf(text.slice(offset + 1).replace(IGNORED, '')));
    result += isSigma ? (last ? '\u03c2' : '\u03c3') : isInWord ? character.toLowerCase() : titled(character);
    isInWord = CASED.test(character);
    offset += character.length;
  }
  return result;
}

export function isTitle(text: string): boolean {
  let [isInWord, found] = [false, false];
  for (const character of text) {
    const isUpper = /[\p{Uppercase}\p{Lt}]/u.test(character);
    if (isUpper ? isInWord : /\p{Lowercase}/u.test(character) && !isInWord) return false;
    isInWord = CASED.test(character);
    found ||= isInWord;
  }
  return found;
}

export function isCased(text: string, wanted: 'upper' | 'lower'): boolean {
  const [own, other] =
    wanted === 'upper' ? [/\p{Uppercase}/u, /[\p{Lowercase}\p{Lt}]/u] : [/\p{Lowercase}/u, /[\p{Uppercase}\p{Lt}]/u];
  return own.test(text) && !other.test(text);
}

export function centered(text: string, width: number, fill = ' '): string {
  const room = Math.max(0, width - lengthOf(text));
  const left = Math.floor(room / 2) + (room & width & 1);
  return fill.repeat(left) + text + fill.repeat(room - left);
}
