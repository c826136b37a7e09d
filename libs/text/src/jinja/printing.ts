import { JinjaError, NotRendered } from './faults.ts';
import { printFloat, printInt } from './numbers.ts';
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

/** Deeper than any text is nested. */
const DEEPEST = 200;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** Python's `str(value)`: what a template prints. */
export function str(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Undefined) return '';
  if (value instanceof Markup) return value.text;
  return repr(value);
}

/** Python's `repr(value)`: what stands in a printed list. */
export function repr(value: Value, depth = 0): string {
  if (depth > DEEPEST) throw new JinjaError('maximum recursion depth exceeded');
  const inner = (item: Value): string => repr(item, depth + 1);
  if (value === null) return 'None';
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'bigint') return printInt(value);
  if (typeof value === 'number') return printFloat(value);
  if (isList(value)) return `[${value.map(inner).join(', ')}]`;
  if (value instanceof Tuple) {
    return value.items.length === 1 ? `(${inner(value.items[0] as Value)},)` : `(${value.items.map(inner).join(', ')})`;
  }
  if (value instanceof Dict) {
    return `{${[...value.entries()].map(([key, item]) => `${inner(key)}: ${inner(item)}`).join(', ')}}`;
  }
  if (value instanceof DictView) return `dict_${value.kind}([${[...value].map(inner).join(', ')}])`;
  if (value instanceof Range)
    return value.step === 1n
      ? `range(${value.start}, ${value.stop})`
      : `range(${value.start}, ${value.stop}, ${value.step})`;
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Markup) return `Markup(${quoted(value.text)})`;
  if (value instanceof Attributed) return value.print(inner);
  if (value instanceof Callable && value.printed !== undefined) return value.printed;
  if (value instanceof Once) throw new NotRendered('a generator printed with its address in memory');
  throw new NotRendered(`a ${typeName(value)} printed with its address in memory`);
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let result = quote;
  for (const character of text) {
    if (character === quote || character === '\\') result += `\\${character}`;
    else if (!UNPRINTABLE.test(character)) result += character;
    else result += escaped(character);
  }
  return result + quote;
}

function escaped(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text);
}
