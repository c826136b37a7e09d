import { getAttribute, getItem } from './attributes.ts';
import { JinjaError, NotRendered } from './faults.ts';
import { filled, presented, signOf } from './format-spec.ts';
import { printFloat } from './numbers.ts';
import { repr, str } from './printing.ts';
import { lengthOf, sliceText } from './text.ts';
import type { Arguments, Value } from './values.ts';
import { Attributed, Callable, Dict, DictView, isList, Markup, Range, Tuple, Undefined } from './values.ts';

/** Python's `format.format(...)` as Jinja's sandbox has it. */
export function braceFormatted(format: string, given: Arguments): string {
  let numbering: 'automatic' | 'manual' | undefined;
  let count = 0;
  const fieldOf = (name: string): Value => {
    const wanted = name === '' ? 'automatic' : /^\d+$/.test(name) ? 'manual' : undefined;
    if (wanted !== undefined && numbering !== undefined && wanted !== numbering) {
      throw new JinjaError('cannot switch between manual and automatic field numbering');
    }
    numbering = wanted ?? numbering;
    const [, first = '', rest = ''] = /^([^.[]*)([^]*)$/.exec(name === '' ? String(count++) : name) ?? [];
    const root = /^\d+$/.test(first) ? given.positional[Number(first)] : given.named.get(first);
    if (root === undefined) throw new JinjaError(`no argument ${first} for the format`);
    return followed(root, rest);
  };

  const expand = (text: string, depth: number): string => {
    if (depth < 0) throw new JinjaError('Max string recursion exceeded');
    let result = '';
    for (let at = 0; at < text.length; at += 1) {
      const character = text.charAt(at);
      if ((character === '{' || character === '}') && text.charAt(at + 1) === character) {
        result += character;
        at += 1;
      } else if (character === '}') throw new JinjaError("Single '}' encountered in format string");
      else if (character === '{') {
        const end = closing(text, at);
        const [, name = '', conversion, spec = ''] =
          /^([^!:]*)(?:!(.))?(?::([^]*))?$/u.exec(text.slice(at + 1, end)) ?? [];
        if (name.includes('[') && !name.includes(']')) throw new NotRendered('a format field with : or ! in brackets');
        result += shown(convertedBy(fieldOf(name), conversion), expand(spec, depth - 1));
        at = end;
      } else result += character;
    }
    return result;
  };
  return expand(format, 2);
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text.charAt(at) === '{') depth += 1;
    else if (text.charAt(at) === '}' && (depth -= 1) === 0) return at;
  }
  throw new JinjaError("expected '}' before end of string");
}

function followed(root: Value, path: string): Value {
  let value = root;
  let rest = path;
  while (rest !== '') {
    const step = /^(?:\.([^.[]+)|\[([^\]]+)\])/.exec(rest);
    if (!step) throw new JinjaError('Empty attribute in format string');
    const [whole, attribute, item = ''] = step;
    value =
      attribute !== undefined
        ? getAttribute(value, attribute)
        : getItem(value, /^\d+$/.test(item) ? BigInt(item) : item);
    rest = rest.slice(whole.length);
  }
  return value;
}

function convertedBy(value: Value, conversion: string | undefined): Value {
  if (conversion === undefined) return value;
  if (conversion === 's') return str(value);
  if (conversion === 'r') return repr(value);
  if (conversion === 'a') throw new NotRendered('the conversion !a');
  throw new JinjaError(`Unknown conversion specifier '${conversion}'`);
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([_,])?(?:\.(\d+))?([a-zA-Z%])?$/su;

/** Python's `format(value, spec)`. */
function shown(value: Value, spec: string): string {
  if (value instanceof Markup) throw new NotRendered('the format of a text marked as safe');
  if (spec === '') return str(value);
  const match = SPEC.exec(spec);
  if (!match) throw new JinjaError(`Invalid format specifier '${spec}'`);
  const [, fill, align, sign, z, alternate, zero, width, grouping, precision, type] = match;
  if (z !== undefined || alternate !== undefined) throw new NotRendered(`the format ${spec}`);
  const field = { fill: fill ?? (zero !== undefined ? '0' : ' '), width: Number(width ?? 0) };
  if (typeof value === 'string') {
    if (sign !== undefined || grouping !== undefined || align === '=' || (type !== undefined && type !== 's')) {
      throw new JinjaError(`Unknown format ${spec} for a text`);
    }
    const cut = precision === undefined ? value : sliceText(value, { start: 0, stop: Number(precision), step: 1 });
    return filled('', cut, { ...field, align: align ?? '<' });
  }
  if (typeof value === 'bigint' || typeof value === 'number') {
    const digits = digitsOf(value, type, precision === undefined ? undefined : Number(precision));
    const signed = signOf(value, sign ?? '');
    const numberAlign = align ?? (zero !== undefined ? '=' : '>');
    if (grouping === undefined) return filled(signed, digits, { ...field, align: numberAlign });
    if (zero !== undefined || (type !== undefined && 'oxXbn'.includes(type)))
      throw new NotRendered(`the format ${spec}`);
    return filled(signed, grouped(digits, grouping), { ...field, align: numberAlign });
  }
  if (typeof value === 'boolean') throw new NotRendered('the format of a bool');
  if (
    value instanceof Undefined ||
    isList(value) ||
    value === null ||
    value instanceof Dict ||
    value instanceof Tuple
  ) {
    throw new JinjaError('unsupported format string');
  }
  if (value instanceof DictView || value instanceof Range || value instanceof Callable || value instanceof Attributed) {
    throw new JinjaError('unsupported format string');
  }
  throw new JinjaError(`unsupported format string ${lengthOf(spec)}`);
}

function grouped(digits: string, separator: string): string {
  const [, whole = '', rest = ''] = /^(\d*)([^]*)$/.exec(digits) ?? [];
  return whole.replace(/\B(?=(\d{3})+$)/g, separator) + rest;
}

function digitsOf(value: bigint | number, type: string | undefined, precision: number | undefined): string {
  if (typeof value === 'bigint' && (type === undefined || 'dxXob'.includes(type))) {
    if (precision !== undefined) throw new JinjaError('Precision not allowed in integer format specifier');
    const size = value < 0n ? -value : value;
    const base = { x: 16, X: 16, o: 8, b: 2 }[type ?? 'd'] ?? 10;
    const text = size.toString(base);
    return type === 'X' ? text.toUpperCase() : text;
  }
  if (type === 'n' || type === 'c') throw new NotRendered(`the format type ${type}`);
  const number = Number(value);
  if (type === undefined) {
    if (precision !== undefined) throw new NotRendered('a format with digits and no type');
    return printFloat(Math.abs(number));
  }
  return presented(number, type, precision ?? 6);
}
