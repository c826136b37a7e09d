/** Stand around a control token that is meant as text. Halves of characters: no text that is sound has them. */
const START = '\udc01';
const END = '\udc02';
/** With the private characters that transformers has for the same, and takes out of texts. */
const MARKS = new RegExp(`[${START}${END}\\u{f0000}\\u{f0001}]`, 'gu');
/** What means something in a pattern. */
const SYNTAX = /[\\^$.*+?()[\]{}|/-]/g;

export interface TextPart {
  readonly text: string;
  /** A control token that is meant as text. */
  readonly isMarked: boolean;
}

/** Finds a model's control tokens in texts, and marks them as meant as text. */
export class ControlTexts {
  readonly #tokens: RegExp | undefined;
  readonly #marked: RegExp;

  constructor(tokens: readonly string[]) {
    // A token goes before those that it contains.
    const longestFirst = [...tokens].filter((token) => token !== '').sort((a, b) => b.length - a.length);
    const any = longestFirst.map((token) => token.replace(SYNTAX, '\\$&')).join('|');
    this.#tokens = any === '' ? undefined : new RegExp(any, 'gu');
    this.#marked = new RegExp(`${START}(${any === '' ? '(?!)' : any})${END}|[${START}${END}]`, 'gu');
  }

  /** Marks that are there already are taken out first: nobody can forge one. */
  mark(text: string): string {
    const plain = text.replace(MARKS, '');
    return this.#tokens ? plain.replace(this.#tokens, `${START}$&${END}`) : plain;
  }

  /** A mark whose other one was cut off still parts the text. */
  parts(text: string): TextPart[] {
    const parts: TextPart[] = [];
    let at = 0;
    for (const { 0: found, 1: token, index } of text.matchAll(this.#marked)) {
      parts.push({ text: text.slice(at, index), isMarked: false });
      if (token !== undefined) parts.push({ text: token, isMarked: true });
      at = index + found.length;
    }
    return [...parts, { text: text.slice(at), isMarked: false }];
  }
}

export function hasMarks(text: string): boolean {
  return text.includes(START) || text.includes(END);
}
