import { JinjaError, NotRendered } from './faults.ts';
import { printFloat, printInt } from './numbers.ts';
import { compareTexts } from './text.ts';
import type { Value } from './values.ts';
import { Dict, isList, Markup, Tuple, typeName } from './values.ts';

export interface JsonLayout {
  readonly ensureAscii: boolean;
  readonly indent: string | undefined;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly sortKeys: boolean;
}

const DEEPEST = 200;
const ESCAPED = /["\\\u0000-\u001f]/g;
const ESCAPED_ASCII = /["\\\u0000-\u001f\u007f-\uffff]/g;
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};

/** Python's `json.dumps`. */
export function dumped(value: Value, layout: JsonLayout, depth = 0): string {
  if (depth > DEEPEST) throw new JinjaError('maximum recursion depth exceeded');
  const { indent, itemSeparator, keySeparator } = layout;
  const enclosed = (open: string, items: readonly string[], close: string): string => {
    if (items.length === 0) return open + close;
    if (indent === undefined) return open + items.join(itemSeparator) + close;
    const line = `\n${indent.repeat(depth + 1)}`;
    return `${open}${line}${items.join(itemSeparator + line)}\n${indent.repeat(depth)}${close}`;
  };
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return printInt(value);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'string') return quoted(value, layout);
  if (value instanceof Markup) return quoted(value.text, layout);
  const items = value instanceof Tuple ? value.items : value;
  if (isList(items))
    return enclosed(
      '[',
      items.map((item) => dumped(item, layout, depth + 1)),
      ']',
    );
  if (value instanceof Dict) {
    const entries = [...value.entries()].map(([key, item]) => [key, item] as const);
    if (layout.sortKeys) {
      if (entries.some(([key]) => typeof key !== 'string'))
        throw new NotRendered('tojson with sorted keys that are not all texts');
      entries.sort(([a], [b]) => compareTexts(a as string, b as string));
    }
    return enclosed(
      '{',
      entries.map(([key, item]) => quoted(keyText(key), layout) + keySeparator + dumped(item, layout, depth + 1)),
      '}',
    );
  }
  throw new JinjaError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function keyText(key: Value): string {
  if (typeof key === 'string') return key;
  if (key instanceof Markup) return key.text;
  if (key === null) return 'null';
  if (typeof key === 'boolean') return String(key);
  if (typeof key === 'bigint') return printInt(key);
  if (typeof key === 'number') return number(key);
  throw new JinjaError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function number(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return printFloat(value);
}

function quoted(text: string, { ensureAscii }: JsonLayout): string {
  const escaped = text.replace(
    ensureAscii ? ESCAPED_ASCII : ESCAPED,
    (unit) => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${escaped}"`;
}
