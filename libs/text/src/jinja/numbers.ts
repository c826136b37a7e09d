import { JinjaError, NotRendered } from './faults.ts';
import { SPACE } from './text.ts';

/** The longest `int` that Python turns to or from text. */
const LONGEST_INT = 4300;

export function printInt(value: bigint): string {
  const text = String(value);
  if (text.length > LONGEST_INT + (value < 0n ? 1 : 0)) {
    throw new JinjaError(`Exceeds the limit (${LONGEST_INT} digits) for integer string conversion`);
  }
  return text;
}

/** The shortest digits that read back as the same number; with an exponent from 1e16 on and below 1e-4. */
export function printFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  const sign = Object.is(value, -0) || value < 0 ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const size = String(Math.abs(power)).padStart(2, '0');
    return `${sign}${digits.slice(0, 1)}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${power < 0 ? '-' : '+'}${size}`;
  }
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, '0');
  return `${sign}${whole}.${digits.slice(power + 1) || '0'}`;
}

/** A finite number as `numerator / denominator`. */
export function ratioOf(value: number): readonly [bigint, bigint] {
  let exponent = 0;
  let scaled = value;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    exponent += 1;
  }
  return [BigInt(scaled), 2n ** BigInt(exponent)];
}

/** To the nearest integer, halves to the even one. `denominator` is positive. */
export function roundedRatio(numerator: bigint, denominator: bigint): bigint {
  const isNegative = numerator < 0n;
  const size = isNegative ? -numerator : numerator;
  const [whole, rest] = [size / denominator, size % denominator];
  const up = rest * 2n > denominator || (rest * 2n === denominator && whole % 2n === 1n);
  const rounded = up ? whole + 1n : whole;
  return isNegative ? -rounded : rounded;
}

/** `digits` of them behind the point, exactly rounded. The sign is left to the caller. */
export function fixed(value: number, digits: number): string {
  const [numerator, denominator] = ratioOf(Math.abs(value));
  const text = String(roundedRatio(numerator * 10n ** BigInt(digits), denominator)).padStart(digits + 1, '0');
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** `digits` of them behind the first one, exactly rounded, and the power of ten. */
export function exponential(value: number, digits: number): { readonly digits: string; readonly power: number } {
  if (value === 0) return { digits: '0'.repeat(digits + 1), power: 0 };
  const [numerator, denominator] = ratioOf(Math.abs(value));
  let power = Number(Math.abs(value).toExponential().split('e')[1]);
  for (;;) {
    const shift = digits - power;
    const text = String(
      shift >= 0
        ? roundedRatio(numerator * 10n ** BigInt(shift), denominator)
        : roundedRatio(numerator, denominator * 10n ** BigInt(-shift)),
    );
    if (text.length === digits + 1) return { digits: text, power };
    power += 1;
  }
}

/** Python's `round` with a number of digits. */
export function roundedFloat(value: number, digits: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  if (digits > 330) return value;
  const [numerator, denominator] = ratioOf(Math.abs(value));
  const scale = 10n ** BigInt(Math.abs(digits));
  const text =
    digits >= 0
      ? `${roundedRatio(numerator * scale, denominator)}e-${digits}`
      : `${roundedRatio(numerator, denominator * scale)}e${-digits}`;
  return Math.sign(value) * Number(text);
}

const ASCII_ONLY = 'a number with digits other than 0 to 9';
const NON_ASCII_DIGIT = /(?![0-9])\p{Nd}/u;
const TRIMMED = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, 'g');
const INT = /^([+-]?)(\d+(?:_\d+)*)$/;
const FLOAT = /^[+-]?(?:(?:\d+(?:_\d+)*)?\.?(?:\d+(?:_\d+)*)?(?:e[+-]?\d+(?:_\d+)*)?|inf|infinity|nan)$/i;

/** What Python's `int(text, base)` reads; `undefined` where it raises. */
export function readInt(text: string, base: number): bigint | undefined {
  if (NON_ASCII_DIGIT.test(text)) throw new NotRendered(ASCII_ONLY);
  const trimmed = text.replace(TRIMMED, '');
  if (base === 10) {
    const [, sign = '', digits] = INT.exec(trimmed) ?? [];
    if (digits === undefined || digits.replaceAll('_', '').length > LONGEST_INT) return undefined;
    const size = BigInt(digits.replaceAll('_', ''));
    return sign === '-' ? -size : size;
  }
  if (![2, 8, 16].includes(base)) throw new NotRendered(`a number of base ${base}`);
  const prefix = { 2: 'b', 8: 'o', 16: 'x' }[base] ?? '';
  const [, sign = '', digits] =
    new RegExp(`^([+-]?)(?:0${prefix}_?)?([0-9a-f]+(?:_[0-9a-f]+)*)$`, 'i').exec(trimmed) ?? [];
  const bare = digits?.replaceAll('_', '').toLowerCase();
  if (bare === undefined || [...bare].some((digit) => parseInt(digit, 16) >= base)) return undefined;
  const size = BigInt(`0${prefix}${bare}`);
  return sign === '-' ? -size : size;
}

/** What Python's `float(text)` reads; `undefined` where it raises. */
export function readFloat(text: string): number | undefined {
  if (NON_ASCII_DIGIT.test(text)) throw new NotRendered(ASCII_ONLY);
  const trimmed = text.replace(TRIMMED, '').toLowerCase();
  if (!FLOAT.test(trimmed)) return undefined;
  if (/nan$/.test(trimmed)) return NaN;
  if (/inf/.test(trimmed)) return trimmed.startsWith('-') ? -Infinity : Infinity;
  if (!/^[+-]?\.?\d/.test(trimmed)) return undefined;
  return Number(trimmed.replaceAll('_', ''));
}
