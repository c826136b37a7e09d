import { JinjaError, NotRendered } from './faults.ts';
import { exponential, fixed } from './numbers.ts';
import { lengthOf } from './text.ts';

/** The digits of a number without its sign, by a presentation type: f, e, g and their like in upper case. */
export function presented(value: number, type: string, precision: number, isAlternate = false): string {
  if (isAlternate) throw new NotRendered('the # of a format');
  if (precision > 1000) throw new NotRendered('a format with more than 1000 digits');
  const size = Math.abs(value);
  if (!Number.isFinite(size)) return cased(Number.isNaN(size) ? 'nan' : 'inf', type);
  switch (type.toLowerCase()) {
    case 'f':
      return fixed(size, precision);
    case 'e':
      return cased(scientific(exponential(size, precision)), type);
    case 'g':
      return cased(general(size, Math.max(1, precision)), type);
    case '%':
      return `${fixed(size * 100, precision)}%`;
    default:
      throw new JinjaError(`Unknown format code '${type}' for a float`);
  }
}

function scientific({ digits, power }: { readonly digits: string; readonly power: number }): string {
  const rest = digits.slice(1);
  return `${digits.slice(0, 1)}${rest === '' ? '' : `.${rest}`}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function general(size: number, digits: number): string {
  const shown = exponential(size, digits - 1);
  const isPlain = shown.power >= -4 && shown.power < digits;
  if (!isPlain)
    return scientific({ ...shown, digits: shown.digits.slice(0, 1) + shown.digits.slice(1).replace(/0+$/, '') });
  const text = fixed(size, digits - 1 - shown.power);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function cased(text: string, type: string): string {
  return type === type.toUpperCase() && type !== '%' ? text.toUpperCase() : text;
}

export function signOf(value: bigint | number, positive: string): string {
  const isNegative = typeof value === 'bigint' ? value < 0n : value < 0 || Object.is(value, -0);
  return isNegative ? '-' : positive === '+' || positive === ' ' ? positive : '';
}

export interface Filled {
  readonly fill: string;
  readonly align: string;
  readonly width: number;
}

/** `sign` and `digits` in a field: filling stands between them where it is aligned by `=`. */
export function filled(sign: string, digits: string, { fill, align, width }: Filled): string {
  const room = Math.max(0, width - lengthOf(sign) - lengthOf(digits));
  if (align === '=') return sign + fill.repeat(room) + digits;
  if (align === '<') return sign + digits + fill.repeat(room);
  if (align === '>') return fill.repeat(room) + sign + digits;
  const left = Math.floor(room / 2);
  return fill.repeat(left) + sign + digits + fill.repeat(room - left);
}
