import { asInt, bound } from './arguments.ts';
import { JinjaError, NotRendered } from './faults.ts';
import { iterate } from './operators.ts';
import { str } from './printing.ts';
import { strftime } from './strftime.ts';
import type { Arguments, Value } from './values.ts';
import { Attributed, Callable, Dict, Range, typeName } from './values.ts';

const LONGEST_RANGE = 100_000;

export class Namespace extends Attributed {
  override readonly type = 'TemplateNamespace';
  readonly #values = new Map<string, Value>();

  constructor(values: Iterable<readonly [Value, Value]>) {
    super();
    for (const [name, value] of values) this.set(str(name), value);
  }

  set(name: string, value: Value): void {
    if (name.startsWith('_'))
      throw new JinjaError(`a namespace takes no names with an underscore in front, such as ${name}`);
    this.#values.set(name, value);
  }

  override attribute(name: string): Value | undefined {
    return this.#values.get(name);
  }

  override print(repr: (value: Value) => string): string {
    return `<Namespace ${repr(new Dict(this.#values))}>`;
  }
}

class Cycler extends Attributed {
  override readonly type = 'Cycler';
  readonly #items: readonly Value[];
  #at = 0;

  constructor(items: readonly Value[]) {
    super();
    this.#items = items;
  }

  override attribute(name: string): Value | undefined {
    const current = this.#items[this.#at] as Value;
    switch (name) {
      case 'current':
        return current;
      case 'pos':
        return BigInt(this.#at);
      case 'items':
        throw new NotRendered('.items of a cycler');
      case 'next':
        return new Callable(() => {
          const item = this.#items[this.#at] as Value;
          this.#at = (this.#at + 1) % this.#items.length;
          return item;
        });
      case 'reset':
        return new Callable(() => {
          this.#at = 0;
          return null;
        });
      default:
        return undefined;
    }
  }

  override print(): string {
    throw new NotRendered('a cycler printed with its address in memory');
  }
}

/** Python's `dict(...)`: a mapping or pairs, then names. */
export function dictOf({ positional, named }: Arguments): Dict {
  const [from, ...more] = positional;
  if (more.length > 0) throw new JinjaError('dict expected at most 1 argument');
  return new Dict([...(from === undefined ? [] : pairsOf(from)), ...named]);
}

function pairsOf(from: Value): Iterable<readonly [Value, Value]> {
  if (from instanceof Dict) return from.entries();
  return [...iterate(from)].map((pair) => {
    const [key, value, ...more] = iterate(pair);
    if (key === undefined || value === undefined || more.length > 0)
      throw new JinjaError('a pair is required for a dict');
    return [key, value] as const;
  });
}

function range({ positional, named }: Arguments): Value {
  if (named.size > 0) throw new JinjaError('range() takes no keyword arguments');
  const [first, second, third, ...more] = positional.map((value) => asInt(value, 'range'));
  if (first === undefined || more.length > 0) throw new JinjaError('range expected 1 to 3 arguments');
  if (third === 0n) throw new JinjaError('range() arg 3 must not be zero');
  const made = second === undefined ? new Range(0n, first, 1n) : new Range(first, second, third ?? 1n);
  if (made.length > LONGEST_RANGE)
    throw new JinjaError(`Range too big. The sandbox blocks ranges larger than ${LONGEST_RANGE}.`);
  return made;
}

export const GLOBALS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['range', new Callable(range)],
  [
    'dict',
    new Callable(
      dictOf,
      undefined,
      new Map([
        [
          'fromkeys',
          new Callable((given) => {
            const [keys = null, value = null] = bound('fromkeys', given, [['iterable'], ['value', null]]);
            return new Dict([...iterate(keys)].map((key) => [key, value]));
          }),
        ],
      ]),
    ),
  ],
  ['namespace', new Callable((given) => new Namespace(dictOf(given).entries()))],
  [
    'cycler',
    new Callable(({ positional, named }) => {
      if (named.size > 0 || positional.length === 0) throw new JinjaError('at least one item has to be provided');
      return new Cycler(positional);
    }),
  ],
  [
    'joiner',
    new Callable((given) => {
      const [separator = null] = bound('joiner', given, [['sep', ', ']]);
      let isUsed = false;
      return new Callable(() => {
        const text = isUsed ? separator : '';
        isUsed = true;
        return text;
      });
    }),
  ],
  [
    'lipsum',
    new Callable(() => {
      throw new NotRendered('lipsum, which is random,');
    }),
  ],
  [
    'raise_exception',
    new Callable((given) => {
      const [message = null] = bound('raise_exception', given, [['message']]);
      throw new JinjaError(str(message));
    }),
  ],
  [
    'strftime_now',
    new Callable((given) => {
      const [format = null] = bound('strftime_now', given, [['format']]);
      if (typeof format !== 'string')
        throw new JinjaError(`strftime() argument 1 must be str, not ${typeName(format)}`);
      return strftime(format);
    }),
  ],
]);
