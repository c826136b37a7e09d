import { JinjaError } from './faults.ts';

/**
 * Python's values: `int` is a bigint and `float` a number, `str` a string whose characters are code points, `list` an
 * array. Nothing that a template can reach changes a list or a dict.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Value[]
  | Tuple
  | Dict
  | DictView
  | Range
  | Once
  | Undefined
  | Markup
  | Callable
  | Attributed;

export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** Prints as nothing; whatever else is done with it fails, and says why it is undefined. */
export class Undefined {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }

  static named(name: string): Undefined {
    return new Undefined(`'${name}' is undefined`);
  }

  fail(): never {
    throw new JinjaError(this.reason);
  }
}

export class Tuple {
  readonly items: readonly Value[];
  /** Of a named tuple. */
  readonly fields: readonly string[];

  constructor(items: readonly Value[], fields: readonly string[] = []) {
    this.items = items;
    this.fields = fields;
  }
}

type Key = string | bigint | number | symbol | object | null;

export class Dict {
  readonly #entries = new Map<Key, readonly [Value, Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) {
      const hashed = keyOf(key);
      this.#entries.set(hashed, [this.#entries.get(hashed)?.[0] ?? key, value]);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(keyOf(key))?.[1];
  }

  *keys(): Generator<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }

  *values(): Generator<Value> {
    for (const [, value] of this.#entries.values()) yield value;
  }

  entries(): Iterable<readonly [Value, Value]> {
    return this.#entries.values();
  }
}

/** What `dict.keys()`, `values()` and `items()` give. */
export class DictView {
  readonly kind: 'keys' | 'values' | 'items';
  readonly dict: Dict;

  constructor(kind: DictView['kind'], dict: Dict) {
    this.kind = kind;
    this.dict = dict;
  }

  *[Symbol.iterator](): Generator<Value> {
    if (this.kind === 'items') for (const [key, value] of this.dict.entries()) yield new Tuple([key, value]);
    else yield* this.kind === 'keys' ? this.dict.keys() : this.dict.values();
  }
}

export class Range {
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
  readonly length: number;

  constructor(start: bigint, stop: bigint, step: bigint) {
    this.start = start;
    this.stop = stop;
    this.step = step;
    const span = step > 0n ? stop - start : start - stop;
    const stride = step > 0n ? step : -step;
    this.length = span > 0n ? Number((span + stride - 1n) / stride) : 0;
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step;
  }

  *[Symbol.iterator](): Generator<Value> {
    for (let index = 0; index < this.length; index += 1) yield this.at(index);
  }
}

/** A generator or iterator: it can be gone through once, and has no length. */
export class Once {
  readonly iterator: Iterator<Value>;

  constructor(iterator: Iterator<Value>) {
    this.iterator = iterator;
  }

  *[Symbol.iterator](): Generator<Value> {
    for (let next = this.iterator.next(); next.done !== true; next = this.iterator.next()) yield next.value;
  }
}

/** A text that counts as safe HTML. It prints as itself; further work with it escapes, which is refused. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export class Callable {
  readonly call: (given: Arguments) => Value;
  /** How it prints, where that is the same each time. */
  readonly printed: string | undefined;
  readonly attributes: ReadonlyMap<string, Value>;

  constructor(
    call: (given: Arguments) => Value,
    printed?: string,
    attributes: ReadonlyMap<string, Value> = new Map<string, Value>(),
  ) {
    this.call = call;
    this.printed = printed;
    this.attributes = attributes;
  }
}

/** Jinja's own objects: a loop, a namespace, a cycler. */
export abstract class Attributed {
  abstract readonly type: string;
  abstract attribute(name: string): Value | undefined;
  abstract print(repr: (value: Value) => string): string;
  /** Only those that can be called. */
  call?(given: Arguments): Value;
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Dict) return 'dict';
  if (value instanceof DictView) return `dict_${value.kind}`;
  if (value instanceof Range) return 'range';
  if (value instanceof Once) return 'generator';
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Markup) return 'Markup';
  if (value instanceof Callable) return 'function';
  if (value instanceof Attributed) return value.type;
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return 'float';
    case 'string':
      return 'str';
    default:
      return 'list';
  }
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

const UNDEFINED = Symbol('undefined');

/** Equal values have equal keys: 1, 1.0 and True. */
export function keyOf(value: Value): Key {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') {
    if (Number.isNaN(value)) return Symbol('NaN');
    return Number.isInteger(value) ? BigInt(value) : value;
  }
  if (value instanceof Markup) return value.text;
  if (value instanceof Undefined) return UNDEFINED;
  if (value instanceof Tuple) return tupleKey(value);
  if (isList(value) || value instanceof Dict) throw new JinjaError(`unhashable type: '${typeName(value)}'`);
  return value;
}

interface TupleKeys {
  readonly key: symbol;
  readonly next: Map<Key, TupleKeys>;
}
const tupleKeys: TupleKeys = { key: Symbol('()'), next: new Map() };

/** One symbol for all tuples with equal items. */
function tupleKey({ items }: Tuple): symbol {
  let at = tupleKeys;
  for (const item of items) {
    const key = keyOf(item);
    let next = at.next.get(key);
    if (!next) at.next.set(key, (next = { key: Symbol('()'), next: new Map() }));
    at = next;
  }
  return at.key;
}
