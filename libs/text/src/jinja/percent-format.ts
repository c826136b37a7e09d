import { JinjaError, NotRendered } from './faults.ts';
import { filled, presented, signOf } from './format-spec.ts';
import { repr, str } from './printing.ts';
import { lengthOf, sliceText } from './text.ts';
import type { Value } from './values.ts';
import { Dict, isList, Markup, Range, Tuple, typeName, Undefined } from './values.ts';

const CONVERSION = /%(?:\(([^()]*)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?([^])?/gu;

/** Python's `format % values`. */
export function percentFormatted(format: string, values: Value): string {
  const items = values instanceof Tuple ? values.items : [values];
  let [used, usesNames] = [0, false];
  const next = (): Value => {
    const item = usesNames ? undefined : items[used];
    used += 1;
    if (item === undefined) throw new JinjaError('not enough arguments for format string');
    return item;
  };
  const text = format.replace(
    CONVERSION,
    (
      whole: string,
      name: string | undefined,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      type: string | undefined,
    ) => {
      if (type === undefined) throw new JinjaError('incomplete format');
      if (type === '%') {
        if (whole !== '%%') throw new NotRendered(`the format ${whole}`);
        return '%';
      }
      if (width === '*' || precision === '*') throw new NotRendered('a format with *');
      if (name !== undefined) {
        usesNames = true;
        if (!(values instanceof Dict)) throw new JinjaError('format requires a mapping');
      }
      const value = name === undefined ? next() : (values as Dict).get(name);
      if (value === undefined) throw new JinjaError(`no key ${name ?? ''}`);
      const isDotted = whole.includes('.');
      const digits = precision === undefined ? (isDotted ? 0 : undefined) : Number(precision);
      return converted(type, value, flags, Number(width ?? 0), digits);
    },
  );
  // What has items by keys may stay unused.
  const mayBeLeft = [Dict, Undefined, Range].some((type) => values instanceof type) || isList(values);
  if (used < items.length && !mayBeLeft) throw new JinjaError('not all arguments converted during string formatting');
  return text;
}

function converted(type: string, value: Value, flags: string, width: number, precision: number | undefined): string {
  const align = flags.includes('-') ? '<' : '>';
  const cut = (text: string): string =>
    filled('', precision === undefined ? text : sliceText(text, { start: 0, stop: precision, step: 1 }), {
      fill: ' ',
      align,
      width,
    });
  switch (type) {
    case 's':
      if (value instanceof Markup) throw new NotRendered('% with a text marked as safe');
      return cut(str(value));
    case 'r':
      return cut(repr(value));
    case 'a':
      throw new NotRendered('the format %a');
    case 'c':
      if (typeof value === 'string' && lengthOf(value) === 1) return cut(value);
      throw new NotRendered('the format %c of a number');
    default:
      return number(type, value, flags, width, precision);
  }
}

function number(type: string, value: Value, flags: string, width: number, precision: number | undefined): string {
  if (!/[diuoxXeEfFgG]/.test(type)) throw new JinjaError(`unsupported format character '${type}'`);
  const given = typeof value === 'boolean' ? BigInt(value) : value;
  if (given instanceof Undefined) given.fail();
  if (typeof given !== 'bigint' && typeof given !== 'number') {
    throw new JinjaError(`%${type} format: a real number is required, not ${typeName(value)}`);
  }
  const isFloat = /[eEfFgG]/.test(type);
  const isCut = !isFloat && typeof given === 'number' && Number.isFinite(given);
  const sign = signOf(
    isCut ? BigInt(Math.trunc(given)) : given,
    flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '',
  );
  const digits = isFloat
    ? presented(Number(given), type, precision ?? 6, flags.includes('#'))
    : integer(type, given, flags).padStart(precision ?? 0, '0');
  const isZeroFilled = flags.includes('0') && !flags.includes('-');
  if (isZeroFilled && !Number.isFinite(Number(given))) throw new NotRendered('a format that fills infinity with zeros');
  return filled(sign, digits, {
    fill: isZeroFilled ? '0' : ' ',
    align: flags.includes('-') ? '<' : isZeroFilled ? '=' : '>',
    width,
  });
}

function integer(type: string, value: bigint | number, flags: string): string {
  if (typeof value === 'number') {
    if (/[oxX]/.test(type)) throw new JinjaError(`%${type} format: an integer is required, not float`);
    if (!Number.isFinite(value)) throw new JinjaError('cannot convert float to integer');
  }
  if (flags.includes('#') && /[oxX]/.test(type)) throw new NotRendered('the # of a format');
  const int = typeof value === 'bigint' ? value : BigInt(Math.trunc(value));
  const size = int < 0n ? -int : int;
  if (type === 'o') return size.toString(8);
  if (type === 'x') return size.toString(16);
  return type === 'X' ? size.toString(16).toUpperCase() : String(size);
}
