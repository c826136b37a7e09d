import { JinjaError, NotRendered } from './faults.ts';
import { ratioOf } from './numbers.ts';
import { percentFormatted } from './percent-format.ts';
import { characterAt, compareTexts, lengthOf, sliced, sliceText } from './text.ts';
import type { Slice } from './text.ts';
import type { Value } from './values.ts';
import {
  Attributed,
  Callable,
  Dict,
  DictView,
  isList,
  Markup,
  Once,
  Range,
  Tuple,
  typeName,
  Undefined,
} from './values.ts';

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export function truthy(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0n || value === 0) return false;
  if (value instanceof Undefined) return false;
  if (isList(value) || value instanceof Range) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  if (value instanceof DictView) return value.dict.size > 0;
  if (value instanceof Markup) return value.text !== '';
  return true;
}

/** Python's `iter`: what there is one after another. */
export function iterate(value: Value): Iterable<Value> {
  const found = iterableOf(value);
  if (found !== undefined) return found;
  throw new JinjaError(`'${typeName(value)}' object is not iterable`);
}

export function iterableOf(value: Value): Iterable<Value> | undefined {
  if (typeof value === 'string' || isList(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof DictView || value instanceof Range || value instanceof Once) return value;
  if (value instanceof Undefined) return [];
  if (value instanceof Markup) return value.text;
  if (value instanceof Attributed && value.type === 'LoopContext')
    throw new NotRendered('going through a loop variable');
  return undefined;
}

/** Python's `len`; `undefined` where it raises. */
export function lengthIn(value: Value): number | undefined {
  if (typeof value === 'string') return lengthOf(value);
  if (isList(value) || value instanceof Range) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof DictView) return value.dict.size;
  if (value instanceof Undefined) return 0;
  if (value instanceof Markup) return lengthOf(value.text);
  if (value instanceof Attributed && value.type === 'LoopContext') return Number(value.attribute('length'));
  return undefined;
}

/** A bool counts as 0 or 1. */
export function numberOf(value: Value): bigint | number | undefined {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'bigint' || typeof value === 'number' ? value : undefined;
}

export function equal(a: Value, b: Value): boolean {
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) return left <= right && left >= right;
  const [text, other] = [plain(a), plain(b)];
  if (typeof text === 'string' || typeof other === 'string') return text === other;
  if (isList(a) && isList(b)) return equalItems(a, b);
  if (a instanceof Tuple && b instanceof Tuple) return equalItems(a.items, b.items);
  if (a instanceof Dict && b instanceof Dict) {
    if (a.size !== b.size) return false;
    return [...a.entries()].every(([key, value]) => {
      const found = b.get(key);
      return found !== undefined && equal(value, found);
    });
  }
  if (a instanceof Undefined && b instanceof Undefined) return true;
  if (a instanceof Range && b instanceof Range) {
    return a.length === b.length && (a.length === 0 || (a.start === b.start && (a.length === 1 || a.step === b.step)));
  }
  if (a instanceof DictView && b instanceof DictView && a !== b) throw new NotRendered('comparing views of dicts');
  if (a instanceof Callable && b instanceof Callable && a !== b && a.printed === undefined && b.printed === undefined) {
    throw new NotRendered('comparing methods');
  }
  return a === b;
}

function plain(value: Value): Value {
  return value instanceof Markup ? value.text : value;
}

function equalItems(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index] || equal(item, b[index] as Value));
}

/** Less than 0, 0 or more, as `a` comes before `b`, is equal or comes behind; not a number for NaN. */
export function order(a: Value, b: Value, operator = '<'): number {
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) {
    if (Number.isNaN(left) || Number.isNaN(right)) return NaN;
    return left < right ? -1 : left > right ? 1 : 0;
  }
  const [text, other] = [plain(a), plain(b)];
  if (typeof text === 'string' && typeof other === 'string') return compareTexts(text, other);
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
  const items = (value: Value) => (isList(value) ? value : value instanceof Tuple ? value.items : undefined);
  const [first, second] = [items(a), items(b)];
  if (first && second && isList(a) === isList(b)) {
    const index = first.findIndex((item, at) => at >= second.length || !equal(item, second[at] as Value));
    if (index < 0) return first.length - second.length;
    return index >= second.length ? 1 : order(first[index] as Value, second[index] as Value, operator);
  }
  if (a instanceof DictView && b instanceof DictView) throw new NotRendered('comparing views of dicts');
  throw new JinjaError(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

export function compare(operator: Comparison, a: Value, b: Value): boolean {
  switch (operator) {
    case '==':
      return equal(a, b);
    case '!=':
      return !equal(a, b);
    case 'in':
      return contains(b, a);
    case 'not in':
      return !contains(b, a);
    case '<':
      return order(a, b, operator) < 0;
    case '<=':
      return order(a, b, operator) <= 0;
    case '>':
      return order(a, b, operator) > 0;
    case '>=':
      return order(a, b, operator) >= 0;
  }
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string' || container instanceof Markup) {
    const text = plain(item);
    if (typeof text === 'string') return (plain(container) as string).includes(text);
    throw new JinjaError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Dict) return container.get(item) !== undefined;
  if (container instanceof DictView && container.kind === 'keys') return container.dict.get(item) !== undefined;
  const items = iterableOf(container);
  if (items === undefined) throw new JinjaError(`argument of type '${typeName(container)}' is not iterable`);
  for (const candidate of items) if (candidate === item || equal(candidate, item)) return true;
  return false;
}

export function negative(value: Value): Value {
  const number = numberOf(value);
  if (number !== undefined) return -number;
  if (value instanceof Undefined) value.fail();
  throw new JinjaError(`bad operand type for unary -: '${typeName(value)}'`);
}

export function positive(value: Value): Value {
  const number = numberOf(value);
  if (number !== undefined) return number;
  if (value instanceof Undefined) value.fail();
  throw new JinjaError(`bad operand type for unary +: '${typeName(value)}'`);
}

export function binary(operator: BinaryOperator, a: Value, b: Value): Value {
  if (operator === '%' && typeof a === 'string') return percentFormatted(a, b);
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) return calculated(operator, left, right);
  if (a instanceof Markup || b instanceof Markup) throw new NotRendered(`${operator} with a text marked as safe`);
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return a + b;
    if (isList(a) && isList(b)) return [...a, ...b];
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple([...a.items, ...b.items]);
  }
  if (operator === '*') {
    if (typeof right === 'bigint') return repeated(a, right, b);
    if (typeof left === 'bigint') return repeated(b, left, a);
  }
  if (a instanceof DictView && (b instanceof DictView || isList(b)) && operator === '-')
    throw new NotRendered('- of views of dicts');
  return unsupported(operator, a, b);
}

function unsupported(operator: string, a: Value, b: Value): never {
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
  throw new JinjaError(`unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
}

function repeated(value: Value, times: bigint, by: Value): Value {
  const count = times > 0n ? Number(times) : 0;
  if (typeof value === 'string') return value.repeat(count);
  if (isList(value)) return repeatedItems(value, count);
  if (value instanceof Tuple) return new Tuple(repeatedItems(value.items, count));
  return unsupported('*', value, by);
}

function repeatedItems(items: readonly Value[], count: number): Value[] {
  const result: Value[] = [];
  if (items.length > 0) for (let time = 0; time < count; time += 1) result.push(...items);
  return result;
}

function calculated(operator: BinaryOperator, a: bigint | number, b: bigint | number): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return ofInts(operator, a, b);
  return ofFloats(operator, floatOf(a), floatOf(b));
}

export function floatOf(value: bigint | number): number {
  const float = Number(value);
  if (typeof value === 'bigint' && !Number.isFinite(float)) throw new JinjaError('int too large to convert to float');
  return float;
}

function ofInts(operator: BinaryOperator, a: bigint, b: bigint): Value {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      if (b === 0n) throw new JinjaError('division by zero');
      if (!Number.isSafeInteger(Number(a)) || !Number.isSafeInteger(Number(b))) {
        throw new NotRendered('the division of integers beyond 2 ** 53');
      }
      return Number(a) / Number(b);
    case '//':
    case '%': {
      if (b === 0n) throw new JinjaError('integer division or modulo by zero');
      const rest = a % b;
      const isBelow = rest !== 0n && rest < 0n !== b < 0n;
      if (operator === '%') return isBelow ? rest + b : rest;
      return isBelow ? a / b - 1n : a / b;
    }
    case '**':
      return b < 0n ? ofFloats('**', floatOf(a), floatOf(b)) : a ** b;
  }
}

function ofFloats(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      if (b === 0) throw new JinjaError('float division by zero');
      return a / b;
    case '//':
    case '%': {
      if (b === 0) throw new JinjaError('float floor division by zero');
      const rest = a % b;
      const modulo = rest === 0 ? (b < 0 ? -0 : 0) : rest < 0 !== b < 0 ? rest + b : rest;
      if (operator === '%') return modulo;
      const quotient = (a - rest) / b - (rest !== 0 && rest < 0 !== b < 0 ? 1 : 0);
      if (quotient === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
      return quotient - Math.floor(quotient) > 0.5 ? Math.floor(quotient) + 1 : Math.floor(quotient);
    }
    case '**':
      if (a === 0 && b < 0) throw new JinjaError('0.0 cannot be raised to a negative power');
      if (a < 0 && Number.isFinite(a) && Number.isFinite(b) && !Number.isInteger(b))
        throw new NotRendered('a complex number');
      if (a === 1 || b === 0) return 1;
      return power(a, b);
  }
}

/** Libraries of mathematics differ in the last digit of powers that are not exact. */
function power(base: number, exponent: number): number {
  const result = base ** exponent;
  if ([base, exponent].every(Number.isFinite) && !Number.isFinite(result))
    throw new JinjaError('Numerical result out of range');
  if (base === 0 || !Number.isFinite(base) || !Number.isFinite(exponent)) {
    return base === -1 ? 1 : result;
  }
  if (!Number.isInteger(exponent) || !isPower(result, base, Math.abs(exponent), exponent < 0)) {
    throw new NotRendered('a power that no float is exactly');
  }
  return result;
}

function isPower(result: number, base: number, exponent: number, isInverse: boolean): boolean {
  if (exponent > 1100) return false;
  const [numerator, denominator] = ratioOf(base);
  const [above, below] = [numerator ** BigInt(exponent), denominator ** BigInt(exponent)];
  const [top, bottom] = ratioOf(result);
  return isInverse ? top * above === bottom * below : top * below === bottom * above;
}

export function isSliced(value: Value): boolean {
  return (
    typeof value === 'string' ||
    isList(value) ||
    [Tuple, Range, Markup, Undefined].some((type) => value instanceof type)
  );
}

/** `value[slice]`. */
export function sliceOf(value: Value, slice: Slice): Value {
  if (typeof value === 'string') return sliceText(value, slice);
  if (isList(value)) return sliced(value, slice);
  if (value instanceof Tuple) return new Tuple(sliced(value.items, slice));
  if (value instanceof Range) throw new NotRendered('a slice of a range');
  if (value instanceof Markup) return new Markup(sliceText(value.text, slice));
  if (value instanceof Undefined) value.fail();
  throw new JinjaError(`'${typeName(value)}' object is not subscriptable`);
}

/** `value[key]`; `undefined` where Python raises what Jinja catches. */
export function itemOf(value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) value.fail();
  if (value instanceof Dict) return isList(key) || key instanceof Dict ? undefined : value.get(key);
  if (typeof key !== 'bigint' && typeof key !== 'boolean') return undefined;
  const index = Number(key);
  if (typeof value === 'string') return characterAt(value, index);
  if (value instanceof Markup) {
    const character = characterAt(value.text, index);
    return character === undefined ? undefined : new Markup(character);
  }
  const items = value instanceof Tuple ? value.items : value;
  if (isList(items)) return items[index < 0 ? index + items.length : index];
  if (value instanceof Range) {
    const at = index < 0 ? index + value.length : index;
    return at >= 0 && at < value.length ? value.at(at) : undefined;
  }
  return undefined;
}
