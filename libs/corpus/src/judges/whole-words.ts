/**
 * Scripts that put no spaces between words (Chinese, Japanese, and Unicode's line breaking class SA), and Hangul, which
 * writes particles onto its words. Any place between their letters can be where a word begins or ends.
 */
const UNSPACED =
  '\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Bopomofo}\\p{scx=Hangul}\\p{scx=Yi}\\p{scx=Tibetan}' +
  '\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}\\p{scx=Tai_Le}\\p{scx=New_Tai_Lue}\\p{scx=Tai_Tham}\\p{scx=Tai_Viet}';
const LETTER = `[[\\p{L}\\p{M}\\p{N}]--[${UNSPACED}]]`;
/** Between two letters of one word there is none, and a mark belongs to the letter before it. */
const BORDER = new RegExp(`(?:(?<!${LETTER})|(?!${LETTER}))(?!\\p{M})`, 'vy');

/** Whether the words stand in the text, not as a part of longer ones. */
export function hasWords(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1))
    if (isBorder(text, at) && isBorder(text, at + words.length)) return true;
  return false;
}

function isBorder(text: string, at: number): boolean {
  BORDER.lastIndex = at;
  return BORDER.test(text);
}
