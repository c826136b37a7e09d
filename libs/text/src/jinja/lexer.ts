import { JinjaError, NotRendered } from './faults.ts';
import { SPACE, strip } from './text.ts';

export type TokenKind =
  | 'data'
  | 'block begin'
  | 'block end'
  | 'variable begin'
  | 'variable end'
  | 'name'
  | 'string'
  | 'int'
  | 'float'
  | 'operator'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** A text's or number's value; otherwise what stands there. */
  readonly text: string;
  readonly value?: string | bigint | number;
  readonly line: number;
}

const SPACES = new RegExp(`[${SPACE}]+`, 'y');
const ALL_SPACE = new RegExp(`^[${SPACE}]+$`);
const FLOAT = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INT = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{XID_Continue}\p{N}]+/uy;
const STRING = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"/y;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const IDENTIFIER = /^[\p{XID_Start}_]\p{XID_Continue}*$/u;
const OPEN: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']' };

const RAW = new RegExp(`\\{%([-+]?)[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\})`, 'y');
const END_RAW = new RegExp(`\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`, 'g');
const END_COMMENT = new RegExp(`\\+#\\}|-#\\}[${SPACE}]*|#\\}\\n?`, 'g');
const END_BLOCK = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, 'y');
const END_VARIABLE = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, 'y');

/**
 * The tokens of a template as Jinja cuts them with `trim_blocks` and `lstrip_blocks`: line ends become `\n`, the last
 * of which is dropped; a block or comment takes the line end behind it and the white space of its line before it.
 */
export function tokens(template: string): Token[] {
  const source = template.replace(/\r\n|\r/g, '\n').replace(/\n$/, '');
  const found: Token[] = [];
  let at = 0;
  let isLineStart = true;

  const lineAt = (place: number): number => source.slice(0, place).split('\n').length;
  const fail = (reason: string): never => {
    throw new JinjaError(`${reason}, in line ${lineAt(at)}`);
  };
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source) ?? undefined;
  };
  /** Moves behind what was matched. */
  const take = (text: string, from = at): void => {
    at = from + text.length;
    isLineStart = text.endsWith('\n');
  };
  const push = (kind: TokenKind, text: string, value?: Token['value']): void => {
    found.push({ kind, text, line: -at, ...(value === undefined ? {} : { value }) });
  };

  const data = (text: string, sign: string, isVariable: boolean): void => {
    let kept = text;
    if (sign === '-') kept = strip(text, undefined, 'right');
    else if (sign !== '+' && !isVariable) {
      const start = text.lastIndexOf('\n') + 1;
      if ((start > 0 || isLineStart) && ALL_SPACE.test(text.slice(start))) kept = text.slice(0, start);
    }
    if (kept !== '') push('data', kept);
  };

  const raw = (begin: RegExpExecArray): void => {
    take(begin[0], begin.index);
    const end = match(END_RAW) ?? fail('Missing end of raw directive');
    data(source.slice(at, end.index), end[1] ?? '', false);
    take(end[0], end.index);
  };

  const inside = (kind: 'block' | 'variable'): void => {
    const closers: string[] = [];
    for (;;) {
      const end = closers.length > 0 ? undefined : match(kind === 'block' ? END_BLOCK : END_VARIABLE);
      if (end) {
        push(`${kind} end`, end[0]);
        return take(end[0]);
      }
      const space = match(SPACES);
      if (space) {
        take(space[0]);
        continue;
      }
      if (at >= source.length) fail(`unexpected end of template, a ${kind} is not closed`);
      const float = source.charAt(at - 1) === '.' ? undefined : match(FLOAT);
      const int = match(INT);
      const name = match(NAME);
      const string = match(STRING);
      const operator = match(OPERATOR);
      if (float) push('float', float[0], Number(float[0].replaceAll('_', '')));
      else if (int) push('int', int[0], BigInt(int[0].replaceAll('_', '')));
      else if (name) {
        if (!IDENTIFIER.test(name[0])) fail(`Invalid character in identifier ${name[0]}`);
        push('name', name[0]);
      } else if (string) push('string', string[0], unescaped(string[0].slice(1, -1)));
      else if (operator) {
        const [symbol] = operator;
        const closer = OPEN[symbol];
        if (closer !== undefined) closers.push(closer);
        else if (/[})\]]/.test(symbol) && closers.pop() !== symbol) fail(`unexpected '${symbol}'`);
        push('operator', symbol);
      } else fail(`unexpected char ${JSON.stringify(source.charAt(at))}`);
      take((float ?? int ?? name ?? string ?? operator)?.[0] ?? '');
    }
  };

  while (at < source.length) {
    const begin = /\{[%{#]/g;
    begin.lastIndex = at;
    const tag = begin.exec(source);
    if (!tag) {
      push('data', source.slice(at));
      break;
    }
    const text = source.slice(at, tag.index);
    const kind = tag[0] === '{%' ? 'block' : tag[0] === '{{' ? 'variable' : 'comment';
    RAW.lastIndex = tag.index;
    const rawBegin = RAW.exec(source);
    const next = source.charAt(tag.index + 2);
    const sign = rawBegin ? (rawBegin[1] ?? '') : next === '-' || next === '+' ? next : '';
    data(text, sign, kind === 'variable');
    if (rawBegin) raw(rawBegin);
    else {
      take(tag[0] + sign, tag.index);
      if (kind === 'comment') {
        const end = match(END_COMMENT) ?? fail('Missing end of comment tag');
        take(end[0], end.index);
      } else {
        push(`${kind} begin`, tag[0]);
        inside(kind);
      }
    }
  }
  push('end', 'end of template');
  return withLines(found, source);
}

/** Lines are counted once, where tokens have noted their places. */
function withLines(found: readonly Token[], source: string): Token[] {
  let [line, at] = [1, 0];
  return found.map((token) => {
    for (; at < -token.line; at += 1) if (source.charCodeAt(at) === 10) line += 1;
    return { ...token, line };
  });
}

const SIMPLE: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
const ESCAPE = /\\(?:([0-7]{1,3})|x([^]{0,2})|u([^]{0,4})|U([^]{0,8})|(N)|([^]))/gu;

/** A text's value. Jinja writes other characters than ASCII as escapes first, so that a backslash before one changes it. */
function unescaped(text: string): string {
  const ascii = text.replace(/[^\0-\x7f]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
  return ascii.replace(
    ESCAPE,
    (whole: string, octal?: string, x?: string, u?: string, U?: string, named?: string, other?: string) => {
      if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
      if (named !== undefined) throw new NotRendered('a character by its name, \\N{...},');
      const hex = x ?? u ?? U;
      if (hex === undefined) return SIMPLE[other ?? ''] ?? whole;
      const digits = x !== undefined ? 2 : u !== undefined ? 4 : 8;
      const code = parseInt(hex, 16);
      if (hex.length < digits || !/^[\da-f]+$/i.test(hex) || code > 0x10ffff)
        throw new JinjaError(`truncated escape ${whole} in a text`);
      return String.fromCodePoint(code);
    },
  );
}
