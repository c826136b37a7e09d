import { inShort } from '@solopo/text';
import { runInNewContext } from 'node:vm';
import { ModelError } from './model.error.ts';

/*
 * Python's regular expressions (module `re` of 3.11) over names of modules, which are of ASCII letters, digits, dots and
 * underscores. What both languages read alike is passed on, what Python writes otherwise is translated, and what JavaScript
 * does not have is refused: backreferences, conditions, atomic groups, possessive repetitions, verbose patterns.
 */

/** The names that `re.fullmatch` matches. @throws ModelError; `where` names the setting that holds the pattern */
export function fullMatches(pattern: string, names: readonly string[], where: string): ReadonlySet<string> {
  const found = matches(pattern, names, where, (source) => `(?:${source})$`);
  return new Set(names.filter((_, i) => found[i] !== null));
}

/**
 * What `re.match` finds in each name, or null; the group `idx` where there is one.
 *
 * @param around puts the translated pattern in its place in a larger one
 * @throws ModelError; `where` names the setting that holds the pattern
 */
export function matches(
  pattern: string,
  names: readonly string[],
  where: string,
  around: (source: string) => string,
): readonly (string | null)[] {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ModelError(`${where}: the regular expression ${inShort(pattern)} ${why}`, { cause });
  };
  const { source, flags } = new Translation(pattern, refuse);
  const whole = `^(?:${around(source)})`;
  try {
    new RegExp(whole, flags);
  } catch (error) {
    refuse('cannot be read; correct it, or write it more simply', error);
  }
  const code =
    'names.map((name) => { const found = new RegExp(whole, flags).exec(name); return found && (found.groups?.idx ?? found[0]); })';
  try {
    // In a context of its own, which can be stopped: a pattern may take for ever.
    return runInNewContext(code, { names: [...names], whole, flags }, { timeout: 2000 }) as (string | null)[];
  } catch (error) {
    return refuse("takes too long on the model's modules; write it without repetitions in repetitions", error);
  }
}

type Refuse = (why: string) => never;

/** Letters that mean the same behind a backslash in both languages. */
const SAME_ESCAPES = 'dDwWsSbBntrfv';
const SYNTAX = '^$\\.*+?()[]{}|/';

class Translation {
  readonly source: string;
  readonly flags: string;
  #at = 0;

  constructor(
    private readonly pattern: string,
    private readonly refuse: Refuse,
  ) {
    const [prefix = '', letters = ''] = /^\(\?([aimsuL]+)\)/.exec(pattern) ?? [];
    this.#at = prefix.length;
    this.flags = `u${letters.includes('i') ? 'i' : ''}${letters.includes('s') ? 's' : ''}`;
    let source = '';
    while (this.#at < pattern.length) source += this.#next();
    this.source = source;
  }

  #next(): string {
    const rest = this.pattern.slice(this.#at);
    const take = (length: number, as = rest.slice(0, length)): string => {
      this.#at += length;
      return as;
    };
    switch (rest[0]) {
      case '\\':
        return this.#escape(rest);
      case '[':
        return this.#set();
      case '(':
        return this.#group(rest, take);
      case '*':
      case '+':
      case '?':
        return this.#repetition(rest, take, 1);
      case '{': {
        const [bounds, from = '', upTo] = /^\{(\d*)(?:,(\d*))?\}/.exec(rest) ?? [];
        // Without numbers it is a brace like any other.
        if (bounds === undefined || bounds === '{}') return take(1, '\\{');
        const range = `{${from === '' ? '0' : from}${bounds.includes(',') ? `,${upTo ?? ''}` : ''}}`;
        return this.#repetition(rest, take, bounds.length, range);
      }
      case '}':
      case ']':
        return take(1, `\\${rest[0]}`);
      default:
        return take(1);
    }
  }

  #repetition(rest: string, take: (length: number, as?: string) => string, length: number, as?: string): string {
    if (rest[length] === '+')
      this.refuse('has a possessive repetition, which is not read; write it without the second +');
    const lazy = rest[length] === '?' ? '?' : '';
    return take(length + lazy.length, (as ?? rest.slice(0, length)) + lazy);
  }

  #group(rest: string, take: (length: number, as?: string) => string): string {
    const [named, name = ''] = /^\(\?P<([A-Za-z_]\w*)>/.exec(rest) ?? [];
    if (named !== undefined) return take(named.length, `(?<${name}>`);
    const [comment] = /^\(\?#[^)]*\)/.exec(rest) ?? [];
    if (comment !== undefined) return take(comment.length, '');
    const [opening] = /^\((\?(:|=|!|<=|<!)|(?!\?))/.exec(rest) ?? [];
    return opening === undefined
      ? this.refuse(`has ${JSON.stringify(rest.slice(0, 4))}, which is not read; write it otherwise`)
      : take(opening.length);
  }

  #escape(rest: string): string {
    const letter = rest[1] ?? this.refuse('ends with a backslash; correct it');
    this.#at += 2;
    if (SAME_ESCAPES.includes(letter)) return `\\${letter}`;
    if (letter === 'A') return '^';
    if (letter === 'Z') return '$';
    if (/[A-Za-z0-9]/.test(letter)) this.refuse(`has \\${letter}, which is not read; write it otherwise`);
    return literal(letter);
  }

  /** From `[` to its `]`; one that comes first is a member. */
  #set(): string {
    const [opening = ''] = /^\[\^?/.exec(this.pattern.slice(this.#at)) ?? [];
    this.#at += opening.length;
    let set = opening;
    for (let first = true; ; first = false) {
      const character = this.pattern[this.#at];
      if (character === undefined) return this.refuse('has a [ without its ]; correct it');
      if (character === ']' && !first) break;
      if (character === '\\') {
        set += this.#setEscape();
      } else {
        set += character === '-' ? '-' : literal(character);
        this.#at++;
      }
    }
    this.#at++;
    return `${set}]`;
  }

  #setEscape(): string {
    const letter = this.pattern[this.#at + 1] ?? this.refuse('ends with a backslash; correct it');
    this.#at += 2;
    if ('dDwWsSntrfv'.includes(letter)) return `\\${letter}`;
    if (/[A-Za-z0-9]/.test(letter)) this.refuse(`has \\${letter} in a set, which is not read; write it otherwise`);
    return literal(letter);
  }
}

/** The character itself, wherever it stands. */
function literal(character: string): string {
  if (!SYNTAX.includes(character) && character !== '-') return character;
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
