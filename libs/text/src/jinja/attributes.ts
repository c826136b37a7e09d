import { JinjaError, NotRendered } from './faults.ts';
import { equal, itemOf } from './operators.ts';
import { stringMethod } from './string-methods.ts';
import { asInt } from './arguments.ts';
import type { Arguments, Value } from './values.ts';
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

const list = (names: string): ReadonlySet<string> => new Set(names.split(' '));

/** The public attributes of Python 3.11's types. What is not done here of them is refused by name. */
const ATTRIBUTES: Readonly<Record<string, ReadonlySet<string>>> = {
  str: list(
    'capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii ' +
      'isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip ' +
      'maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split ' +
      'splitlines startswith strip swapcase title translate upper zfill',
  ),
  int: list('as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes'),
  bool: list('as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes'),
  float: list('as_integer_ratio conjugate fromhex hex imag is_integer real'),
  list: list('append clear copy count extend index insert pop remove reverse sort'),
  tuple: list('count index'),
  dict: list('clear copy fromkeys get items keys pop popitem setdefault update values'),
  dict_keys: list('isdisjoint mapping'),
  dict_values: list('mapping'),
  dict_items: list('isdisjoint mapping'),
  range: list('count index start step stop'),
  generator: list('close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw'),
};

/** What changes a list or a dict: the sandbox gives none of it. */
const CHANGING = list('append clear extend insert pop popitem remove reverse setdefault sort update');
const INTERNAL = list('gi_code gi_frame');

/** `value.name`: the attribute, or else the item. */
export function getAttribute(value: Value, name: string): Value {
  const attribute = attributeOf(value, name);
  const found = attribute === undefined ? itemOf(value, name) : attribute;
  return found === undefined ? missing(value, name) : found;
}

/** `value[key]`: the item, or else the attribute. */
export function getItem(value: Value, key: Value): Value {
  const item = itemOf(value, key);
  if (item !== undefined) return item;
  const name = key instanceof Markup ? key.text : key;
  const attribute = typeof name === 'string' ? attributeOf(value, name) : undefined;
  return attribute === undefined ? missing(value, key) : attribute;
}

function missing(value: Value, key: Value): Undefined {
  const name =
    typeof key === 'string' ? `attribute '${key}'` : `element ${typeof key === 'bigint' ? String(key) : typeName(key)}`;
  return new Undefined(`'${typeName(value)} object' has no ${name}`);
}

/** Python's attribute, or an undefined value for one that the sandbox does not give. */
export function attributeOf(value: Value, name: string): Value | undefined {
  if (value instanceof Undefined) return name.startsWith('__') && name.endsWith('__') ? undefined : value.fail();
  if (value instanceof Attributed) return value.attribute(name);
  if (value instanceof Callable) return value.attributes.get(name);
  if (value instanceof Tuple && value.fields.includes(name)) return value.items[value.fields.indexOf(name)];
  if (value instanceof Markup) throw new NotRendered(`.${name} of a text marked as safe`);
  const type = typeName(value);
  if (!ATTRIBUTES[type]?.has(name)) return undefined;
  if (((isList(value) || value instanceof Dict) && CHANGING.has(name)) || INTERNAL.has(name)) {
    return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`);
  }
  const found = publicAttribute(value, name);
  if (found !== undefined) return found;
  throw new NotRendered(`.${name} of a ${type}`);
}

function publicAttribute(value: Value, name: string): Value | undefined {
  if (typeof value === 'string') {
    const method = stringMethod(value, name);
    return method && new Callable(method);
  }
  if (value instanceof Dict) return dictAttribute(value, name);
  if (isList(value) || value instanceof Tuple || value instanceof Range) return sequenceAttribute(value, name);
  if (value instanceof DictView || value instanceof Once) return undefined;
  return numberAttribute(value, name);
}

function dictAttribute(dict: Dict, name: string): Value | undefined {
  switch (name) {
    case 'get':
      return new Callable((given) => {
        const [key = null, whenMissing = null] = byPlace('get', given, 1, 2);
        const found = dict.get(key);
        return found === undefined ? whenMissing : found;
      });
    case 'keys':
    case 'values':
    case 'items':
      return new Callable((given) => {
        byPlace(name, given, 0, 0);
        return new DictView(name, dict);
      });
    case 'copy':
      return new Callable((given) => {
        byPlace(name, given, 0, 0);
        return new Dict(dict.entries());
      });
    default:
      return undefined;
  }
}

function sequenceAttribute(sequence: readonly Value[] | Tuple | Range, name: string): Value | undefined {
  if (sequence instanceof Range && (name === 'start' || name === 'stop' || name === 'step')) return sequence[name];
  const items = sequence instanceof Tuple ? sequence.items : [...sequence];
  switch (name) {
    case 'count':
      return new Callable((given) => {
        const [wanted = null] = byPlace(name, given, 1, 1);
        return BigInt(items.filter((item) => item === wanted || equal(item, wanted)).length);
      });
    case 'index':
      return new Callable((given) => {
        const [wanted = null, from] = byPlace(name, given, 1, 3);
        if (from !== undefined) throw new NotRendered('.index with a start');
        const index = items.findIndex((item) => item === wanted || equal(item, wanted));
        if (index < 0) throw new JinjaError('the value is not in the list');
        return BigInt(index);
      });
    case 'copy':
      return new Callable((given) => {
        byPlace(name, given, 0, 0);
        return [...items];
      });
    default:
      return undefined;
  }
}

function numberAttribute(value: Value, name: string): Value | undefined {
  if (typeof value === 'number') {
    if (name === 'real') return value;
    if (name === 'imag') return 0;
    if (name !== 'is_integer') return undefined;
    return new Callable((given) => {
      byPlace(name, given, 0, 0);
      return Number.isInteger(value);
    });
  }
  const int = asInt(value, name);
  if (name === 'real' || name === 'numerator') return int;
  if (name === 'imag') return 0n;
  if (name === 'denominator') return 1n;
  if (name !== 'bit_length' && name !== 'bit_count') return undefined;
  return new Callable((given) => {
    byPlace(name, given, 0, 0);
    const bits = (int < 0n ? -int : int).toString(2);
    if (name === 'bit_count') return BigInt(bits.replaceAll('0', '').length);
    return int === 0n ? 0n : BigInt(bits.length);
  });
}

/** The values of a call that takes none by name. */
export function byPlace(callee: string, given: Arguments, fewest: number, most: number): readonly Value[] {
  if (given.named.size > 0) throw new JinjaError(`${callee}() takes no keyword arguments`);
  if (given.positional.length < fewest || given.positional.length > most) {
    throw new JinjaError(`${callee}() takes ${fewest} to ${most} arguments, not ${given.positional.length}`);
  }
  return given.positional;
}
