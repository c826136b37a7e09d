import { asCount, asText, bound } from './arguments.ts';
import type { Parameter } from './arguments.ts';
import { attributeOf, getAttribute, getItem } from './attributes.ts';
import { JinjaError, NotRendered } from './faults.ts';
import { dumped } from './json.ts';
import { fixed, readFloat, readInt, roundedFloat, roundedRatio } from './numbers.ts';
import { binary, equal, floatOf, iterableOf, iterate, lengthIn, numberOf, order, truthy } from './operators.ts';
import { percentFormatted } from './percent-format.ts';
import { str } from './printing.ts';
import * as text from './text.ts';
import { callTest } from './tests.ts';
import type { Arguments, Value } from './values.ts';
import { Dict, DictView, keyOf, Markup, Once, Tuple, typeName, Undefined } from './values.ts';

type Filter = (value: Value, given: Arguments) => Value;

/** A filter with Jinja's names of its parameters behind the first. */
function filter(apply: (value: Value, ...values: Value[]) => Value, ...parameters: Parameter[]): Filter {
  return (value, given) => apply(value, ...bound('filter', given, parameters));
}

function refused(name: string, why = ''): Filter {
  return () => {
    throw new NotRendered(`the filter ${name}${why}`);
  };
}

/** A text of the value; one that is marked as safe stays so. */
function onText(apply: (value: string) => string): Filter {
  return filter((value) => (value instanceof Markup ? new Markup(apply(value.text)) : apply(str(value))));
}

/** The attribute of an item by its path, such as `function.name`; without one the item. */
function getter(attribute: Value, isCaseIgnored: boolean, whenUndefined: Value = null): (item: Value) => Value {
  const path: readonly Value[] =
    attribute === null
      ? []
      : typeof attribute === 'string'
        ? attribute.split('.').map((part) => (/^\p{Nd}+$/u.test(part) ? BigInt(part) : part))
        : [attribute];
  return (item) => {
    let value = item;
    for (const part of path) {
      value = getItem(value, part);
      if (whenUndefined !== null && value instanceof Undefined) value = whenUndefined;
    }
    return isCaseIgnored && typeof value === 'string' ? value.toLowerCase() : value;
  };
}

function sorted<T>(items: readonly T[], keyOfItem: (item: T) => Value, isReversed: boolean): T[] {
  const keyed = items.map((item) => [keyOfItem(item), item] as const);
  const sign = isReversed ? -1 : 1;
  return keyed.sort(([a], [b]) => sign * order(a, b)).map(([, item]) => item);
}

function extreme(sign: 1 | -1): Filter {
  return filter(
    (value, isCaseSensitive = false, attribute = null) => {
      const key = getter(attribute, !truthy(isCaseSensitive));
      let best: readonly [Value, Value] | undefined;
      for (const item of iterate(value)) {
        const candidate = key(item);
        if (!best || sign * order(candidate, best[0]) > 0) best = [candidate, item];
      }
      return best ? best[1] : new Undefined('No aggregated item, sequence was empty.');
    },
    ['case_sensitive', false],
    ['attribute', null],
  );
}

/** `select`, `reject` and, by an attribute of the items, `selectattr` and `rejectattr`. */
function choosing(isWanted: boolean, byAttribute: boolean): Filter {
  return (value, { positional, named }) =>
    once(function* () {
      if (!truthy(value)) return;
      if (byAttribute && positional.length === 0) throw new JinjaError('Missing parameter for attribute name');
      const attribute = byAttribute ? getter(positional[0] ?? null, false) : (item: Value) => item;
      const [name, ...rest] = byAttribute ? positional.slice(1) : positional;
      for (const item of iterate(value)) {
        const found = attribute(item);
        const is = name === undefined ? truthy(found) : callTest(str(name), found, { positional: rest, named });
        if (is === isWanted) yield item;
      }
    });
}

function once(generate: () => Generator<Value>): Once {
  return new Once(generate());
}

function map(value: Value, { positional, named }: Arguments): Value {
  return once(function* () {
    if (!truthy(value)) return;
    const [name, ...rest] = positional;
    let apply: (item: Value) => Value;
    if (name === undefined && named.has('attribute')) {
      if ([...named.keys()].some((key) => key !== 'attribute' && key !== 'default'))
        throw new JinjaError('Unexpected keyword argument');
      apply = getter(named.get('attribute') ?? null, false, named.get('default') ?? null);
    } else {
      if (name === undefined) throw new JinjaError('map requires a filter argument');
      apply = (item) => callFilter(str(name), item, { positional: rest, named });
    }
    for (const item of iterate(value)) yield apply(item);
  });
}

function groupby(value: Value, attribute: Value, whenUndefined: Value, isCaseSensitive: Value): Value {
  const key = getter(attribute, !truthy(isCaseSensitive), whenUndefined);
  const shown = getter(attribute, false, whenUndefined);
  const groups: { readonly key: Value; readonly items: Value[] }[] = [];
  for (const item of sorted([...iterate(value)], key, false)) {
    const itemKey = key(item);
    const last = groups.at(-1);
    if (last && equal(last.key, itemKey)) last.items.push(item);
    else groups.push({ key: itemKey, items: [item] });
  }
  return groups.map(({ items }) => new Tuple([shown(items[0] as Value), items], ['grouper', 'list']));
}

function sum(value: Value, attribute: Value, start: Value): Value {
  if (typeof start === 'string') throw new JinjaError("sum() can't sum strings");
  const items = [...iterate(value)].map(getter(attribute, false));
  if (items.length > 1 && [start, ...items].some((item) => typeof item === 'number')) {
    throw new NotRendered('the sum of floats, which versions of Python round differently,');
  }
  return items.reduce((total, item) => binary('+', total, item), start);
}

function int(value: Value, whenNone: Value, base: Value): Value {
  if (value instanceof Undefined) value.fail();
  const content = value instanceof Markup ? value.text : value;
  if (typeof content === 'bigint' || typeof content === 'boolean') return BigInt(content);
  if (typeof content === 'number') {
    if (Math.abs(content) === Infinity) throw new JinjaError('cannot convert float infinity to integer');
    return Number.isNaN(content) ? whenNone : BigInt(Math.trunc(content));
  }
  if (typeof content !== 'string') return whenNone;
  const read = readInt(content, asCount(base, 'base'));
  if (read !== undefined) return read;
  const float = readFloat(content);
  return float === undefined || !Number.isFinite(float) ? whenNone : BigInt(Math.trunc(float));
}

function float(value: Value, whenNone: Value): Value {
  if (value instanceof Undefined) value.fail();
  const number = numberOf(value);
  if (number !== undefined) return floatOf(number);
  const content = value instanceof Markup ? value.text : value;
  return typeof content === 'string' ? (readFloat(content) ?? whenNone) : whenNone;
}

function round(value: Value, precision: Value, method: Value): Value {
  if (method !== 'common' && method !== 'ceil' && method !== 'floor')
    throw new JinjaError('method must be common, ceil or floor');
  const number = numberOf(value);
  if (number === undefined) return value instanceof Undefined ? value.fail() : notANumber(value, 'round');
  const digits = asCount(precision, 'precision');
  if (method === 'common') {
    if (typeof number === 'number') return roundedFloat(number, digits);
    return digits >= 0 ? number : roundedRatio(number, 10n ** BigInt(-digits)) * 10n ** BigInt(-digits);
  }
  const scale = binary('**', 10n, BigInt(digits));
  const scaled = numberOf(binary('*', number, scale)) ?? 0;
  if (typeof scaled === 'number' && !Number.isFinite(scaled))
    throw new JinjaError('cannot convert float infinity to integer');
  const whole =
    typeof scaled === 'bigint' ? scaled : BigInt(method === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled));
  return binary('/', whole, scale);
}

function notANumber(value: Value, what: string): never {
  throw new JinjaError(`${what}: a number is required, not ${typeName(value)}`);
}

function indent(value: Value, width: Value, first: Value, blank: Value): Value {
  if (value instanceof Markup) throw new NotRendered('the filter indent of a text marked as safe');
  if (value instanceof Undefined) value.fail();
  const indention = typeof width === 'string' ? width : ' '.repeat(Math.max(0, asCount(width, 'width')));
  const lines = text.lines(`${asText(value, 'indent arg')}\n`);
  const isBlankToo = truthy(blank);
  const indented = lines.map((line, index) => (index > 0 && (isBlankToo || line !== '') ? indention : '') + line);
  return (truthy(first) ? indention : '') + indented.join('\n');
}

function truncate(value: Value, length: Value, killWords: Value, end: Value, leeway: Value): Value {
  const [most, tail, slack] = [
    asCount(length, 'length'),
    asText(end, 'end'),
    leeway === null ? 5 : asCount(leeway, 'leeway'),
  ];
  if (most < text.lengthOf(tail) || slack < 0)
    throw new JinjaError(`expected length >= ${text.lengthOf(tail)} and leeway >= 0`);
  const size = lengthIn(value);
  if (size === undefined) throw new JinjaError(`object of type '${typeName(value)}' has no len()`);
  if (size <= most + slack) return value;
  if (value instanceof Markup) throw new NotRendered('the filter truncate of a text marked as safe');
  const cut = text.sliceText(asText(value, 'truncate arg'), { start: 0, stop: most - text.lengthOf(tail), step: 1 });
  return (truthy(killWords) ? cut : (text.partedFromRight(cut, ' ', 1)[0] ?? '')) + tail;
}

const SIZES = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];

function filesize(value: Value, isBinary: Value): Value {
  const bytes = numberOf(value) ?? (typeof value === 'string' ? readFloat(value) : undefined);
  if (bytes === undefined) return value instanceof Undefined ? value.fail() : notANumber(value, 'filesizeformat');
  const size = floatOf(bytes);
  const base = truthy(isBinary) ? 1024 : 1000;
  if (size === 1) return '1 Byte';
  if (size < base) return `${BigInt(Math.trunc(size))} Bytes`;
  const found = SIZES.findIndex((_, index) => size < base ** (index + 2));
  const index = found < 0 ? SIZES.length - 1 : found;
  const scaled = (base * size) / base ** (index + 2);
  if (!Number.isSafeInteger(base ** (index + 2)) || !Number.isFinite(scaled))
    throw new NotRendered('the filter filesizeformat of so much');
  return `${fixed(scaled, 1)} ${truthy(isBinary) ? `${SIZES[index]?.toUpperCase() ?? ''}i` : SIZES[index]}B`;
}

function quoted(value: Value, isQuery: boolean): string {
  const content = str(value);
  if (/[\ud800-\udfff]/.test(content.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '')))
    throw new JinjaError('surrogates not allowed');
  const encoded = encodeURIComponent(content).replace(
    /[!*'()]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return isQuery ? encoded.replaceAll('%20', '+') : encoded.replaceAll('%2F', '/');
}

function urlencode(value: Value): Value {
  const items = value instanceof Dict ? new DictView('items', value) : iterableOf(value);
  if (items === undefined || typeof value === 'string' || value instanceof Markup) return quoted(value, false);
  return [...items]
    .map((pair) => {
      const [key, item, ...more] = iterate(pair);
      if (key === undefined || item === undefined || more.length > 0)
        throw new JinjaError('pairs are required for urlencode');
      return `${quoted(key, true)}=${quoted(item, true)}`;
    })
    .join('&');
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' };

function escaped(content: string): Markup {
  return new Markup(content.replace(/[&<>'"]/g, (mark) => HTML[mark] ?? mark));
}

function reversed(value: Value): readonly Value[] | undefined {
  if (value instanceof Once || lengthIn(value) === undefined) return undefined;
  return [...iterate(value)].reverse();
}

function tojson(value: Value, ascii: Value, indent: Value, separators: Value, sortKeys: Value): Value {
  const isIndented = indent !== null;
  const width =
    typeof indent === 'string' ? indent : isIndented ? ' '.repeat(Math.max(0, asCount(indent, 'indent'))) : undefined;
  const [item = isIndented ? ',' : ', ', key = ': ', ...more] =
    separators === null ? [] : [...iterate(separators)].map((part) => asText(part, 'a separator'));
  if (more.length > 0) throw new JinjaError('too many separators');
  return dumped(value, {
    ensureAscii: truthy(ascii),
    indent: width,
    itemSeparator: item,
    keySeparator: key,
    sortKeys: truthy(sortKeys),
  });
}

function attr(value: Value, name: Value): Value {
  const wanted = str(name);
  return attributeOf(value, wanted) === undefined
    ? new Undefined(`'${typeName(value)} object' has no attribute '${wanted}'`)
    : getAttribute(value, wanted);
}

function* batches(value: Value, size: Value, fill: Value): Generator<Value> {
  let batch: Value[] = [];
  const most = asCount(size, 'linecount');
  for (const item of iterate(value)) {
    if (batch.length === most) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  yield fill === null ? batch : [...batch, ...Array.from({ length: Math.max(0, most - batch.length) }, () => fill)];
}

function* slices(value: Value, count: Value, fill: Value): Generator<Value> {
  const items = [...iterate(value)];
  const number = asCount(count, 'slices');
  if (number === 0) throw new JinjaError('integer division or modulo by zero');
  const [each, withOneMore] = [Math.floor(items.length / number), items.length % number];
  let start = 0;
  for (let index = 0; index < number; index += 1) {
    const end = start + each + (index < withOneMore ? 1 : 0);
    const slice = items.slice(start, end);
    yield fill !== null && index >= withOneMore ? [...slice, fill] : slice;
    start = end;
  }
}

const DEFAULT = filter(
  (value, otherwise = '', isBoolean = false) =>
    value instanceof Undefined || (truthy(isBoolean) && !truthy(value)) ? otherwise : value,
  ['default_value', ''],
  ['boolean', false],
);
const LENGTH = filter((value) => {
  const length = lengthIn(value);
  if (length === undefined) throw new JinjaError(`object of type '${typeName(value)}' has no len()`);
  return BigInt(length);
});
const ESCAPE = filter((value) => (value instanceof Markup ? value : escaped(str(value))));

const FILTERS: Readonly<Record<string, Filter>> = {
  abs: filter((value) => {
    const number = numberOf(value);
    if (number === undefined) return value instanceof Undefined ? value.fail() : notANumber(value, 'abs');
    return typeof number === 'bigint' ? (number < 0n ? -number : number) : Math.abs(number);
  }),
  attr: filter((value, name) => attr(value, name), ['name']),
  batch: filter((value, size, fill) => once(() => batches(value, size, fill)), ['linecount'], ['fill_with', null]),
  capitalize: onText(text.capitalized),
  center: (value, given) => {
    const [width = 80n] = bound('center', given, [['width', 80n]]);
    return onText((content) => text.centered(content, asCount(width, 'width')))(value, {
      positional: [],
      named: new Map(),
    });
  },
  count: LENGTH,
  d: DEFAULT,
  default: DEFAULT,
  dictsort: filter(
    (value, isCaseSensitive = false, by = 'key', isReversed = false) => {
      if (by !== 'key' && by !== 'value') throw new JinjaError('You can only sort by either "key" or "value"');
      if (value instanceof Undefined) value.fail();
      if (!(value instanceof Dict)) throw new JinjaError(`'${typeName(value)}' object has no attribute 'items'`);
      const key = getter(by === 'key' ? 0n : 1n, !truthy(isCaseSensitive));
      return sorted([...new DictView('items', value)], key, truthy(isReversed));
    },
    ['case_sensitive', false],
    ['by', 'key'],
    ['reverse', false],
  ),
  e: ESCAPE,
  escape: ESCAPE,
  filesizeformat: filter((value, isBinary) => filesize(value, isBinary), ['binary', false]),
  first: filter((value) => {
    for (const item of iterate(value)) return item;
    return new Undefined('No first item, sequence was empty.');
  }),
  float: filter((value, whenNone) => float(value, whenNone), ['default', 0]),
  forceescape: filter((value) => escaped(str(value))),
  format: (value, { positional, named }) => {
    if (positional.length > 0 && named.size > 0)
      throw new JinjaError("can't handle positional and keyword arguments at the same time");
    if (value instanceof Markup) throw new NotRendered('the filter format of a text marked as safe');
    return percentFormatted(str(value), named.size > 0 ? new Dict(named) : new Tuple(positional));
  },
  groupby: filter(
    (value, attribute, whenUndefined, isCaseSensitive) => groupby(value, attribute, whenUndefined, isCaseSensitive),
    ['attribute'],
    ['default', null],
    ['case_sensitive', false],
  ),
  indent: filter(
    (value, width, first, blank) => indent(value, width, first, blank),
    ['width', 4n],
    ['first', false],
    ['blank', false],
  ),
  int: filter((value, whenNone, base) => int(value, whenNone, base), ['default', 0n], ['base', 10n]),
  items: filter((value) => {
    return once(function* () {
      if (value instanceof Undefined) return;
      if (!(value instanceof Dict)) throw new JinjaError('Can only get item pairs from a mapping.');
      yield* new DictView('items', value);
    });
  }),
  join: filter(
    (value, by = '', attribute = null) => {
      const read = getter(attribute, false);
      return [...iterate(value)].map((item) => str(read(item))).join(str(by));
    },
    ['d', ''],
    ['attribute', null],
  ),
  last: filter((value) => {
    const items = reversed(value);
    if (!items) throw new JinjaError(`'${typeName(value)}' object is not reversible`);
    return items[0] ?? (items.length > 0 ? null : new Undefined('No last item, sequence was empty.'));
  }),
  length: LENGTH,
  list: filter((value) => [...iterate(value)]),
  lower: onText(text.lowered),
  map,
  max: extreme(1),
  min: extreme(-1),
  pprint: refused('pprint'),
  random: refused('random', ', which is random,'),
  reject: choosing(false, false),
  rejectattr: choosing(false, true),
  replace: filter(
    (value, old, by, most) => text.replaced(str(value), str(old), str(by), most === null ? -1 : asCount(most, 'count')),
    ['old'],
    ['new'],
    ['count', null],
  ),
  reverse: filter((value) => {
    if (typeof value === 'string') return [...value].reverse().join('');
    if (value instanceof Markup) return new Markup([...value.text].reverse().join(''));
    const items = reversed(value);
    return items ? new Once(items[Symbol.iterator]()) : [...iterate(value)].reverse();
  }),
  round: filter((value, precision, method) => round(value, precision, method), ['precision', 0n], ['method', 'common']),
  safe: filter((value) => (value instanceof Markup ? value : new Markup(str(value)))),
  select: choosing(true, false),
  selectattr: choosing(true, true),
  slice: filter((value, count, fill) => once(() => slices(value, count, fill)), ['slices'], ['fill_with', null]),
  sort: filter(
    (value, isReversed = false, isCaseSensitive = false, attribute = null) => {
      const parts = typeof attribute === 'string' ? attribute.split(',') : [attribute];
      const keys = parts.map((part) => getter(part, !truthy(isCaseSensitive)));
      return sorted([...iterate(value)], (item) => keys.map((key) => key(item)), truthy(isReversed));
    },
    ['reverse', false],
    ['case_sensitive', false],
    ['attribute', null],
  ),
  string: filter((value) => (value instanceof Markup ? value : str(value))),
  striptags: refused('striptags'),
  sum: filter((value, attribute, start) => sum(value, attribute, start), ['attribute', null], ['start', 0n]),
  title: onText((content) =>
    content
      .split(new RegExp(`([-${text.SPACE}({\\[<]+)`))
      .map((word) => {
        const first = word === '' ? '' : String.fromCodePoint(word.codePointAt(0) ?? 0);
        return first.toUpperCase() + word.slice(first.length).toLowerCase();
      })
      .join(''),
  ),
  tojson: filter(
    (value, ascii, indent, separators, sortKeys) => tojson(value, ascii, indent, separators, sortKeys),
    ['ensure_ascii', false],
    ['indent', null],
    ['separators', null],
    ['sort_keys', false],
  ),
  trim: filter(
    (value, characters = null) => {
      const set = characters === null ? undefined : asText(characters, 'strip arg');
      return value instanceof Markup
        ? new Markup(text.strip(value.text, set, 'both'))
        : text.strip(str(value), set, 'both');
    },
    ['chars', null],
  ),
  truncate: filter(
    (value, length, killWords, end, leeway) => truncate(value, length, killWords, end, leeway),
    ['length', 255n],
    ['killwords', false],
    ['end', '...'],
    ['leeway', null],
  ),
  unique: filter(
    (value, isCaseSensitive = false, attribute = null) => {
      const key = getter(attribute, !truthy(isCaseSensitive));
      return once(function* () {
        const seen = new Set<unknown>();
        for (const item of iterate(value)) {
          const itemKey = keyOf(key(item));
          if (seen.has(itemKey)) continue;
          seen.add(itemKey);
          yield item;
        }
      });
    },
    ['case_sensitive', false],
    ['attribute', null],
  ),
  upper: onText((content) => content.toUpperCase()),
  urlencode: filter(urlencode),
  urlize: refused('urlize'),
  wordcount: filter((value) => BigInt(str(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)),
  wordwrap: refused('wordwrap'),
  xmlattr: refused('xmlattr'),
};

export const FILTER_NAMES: ReadonlySet<string> = new Set(Object.keys(FILTERS));

export function callFilter(name: string, value: Value, given: Arguments): Value {
  const found = FILTER_NAMES.has(name) ? FILTERS[name] : undefined;
  if (!found) throw new JinjaError(`No filter named '${name}'.`);
  return found(value, given);
}
