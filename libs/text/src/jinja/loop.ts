import { JinjaError } from './faults.ts';
import { equal, iterate, lengthIn } from './operators.ts';
import { bound } from './arguments.ts';
import type { Arguments, Value } from './values.ts';
import { Attributed, Callable, Tuple, Undefined } from './values.ts';

export type Recurse = (items: Value, depth: number) => string;

/** The `loop` of a for block, which also goes through its items. */
export class Loop extends Attributed {
  override readonly type = 'LoopContext';
  readonly #items: Value;
  readonly #recurse: Recurse | undefined;
  readonly #depth0: number;
  #iterator: Iterator<Value>;
  #index0 = -1;
  #length: number | undefined;
  #ahead: { readonly item: Value | undefined } | undefined;
  #current: Value | undefined;
  #before: Value | undefined;
  #changed: Value | undefined;

  constructor(items: Value, recurse: Recurse | undefined, depth0: number) {
    super();
    this.#items = items;
    this.#iterator = iterate(items)[Symbol.iterator]();
    this.#recurse = recurse;
    this.#depth0 = depth0;
  }

  next(): Value | undefined {
    const item = this.#ahead ? this.#ahead.item : this.#pull();
    if (item === undefined) return undefined;
    this.#ahead = undefined;
    this.#index0 += 1;
    this.#before = this.#current;
    this.#current = item;
    return item;
  }

  #pull(): Value | undefined {
    const next = this.#iterator.next();
    return next.done === true ? undefined : next.value;
  }

  #peek(): Value | undefined {
    this.#ahead ??= { item: this.#pull() };
    return this.#ahead.item;
  }

  get #count(): number {
    const known = this.#length ?? lengthIn(this.#items);
    if (known !== undefined) return (this.#length = known);
    const rest: Value[] = [];
    for (let item = this.#pull(); item !== undefined; item = this.#pull()) rest.push(item);
    this.#iterator = rest[Symbol.iterator]();
    return (this.#length = rest.length + this.#index0 + 1 + (this.#ahead?.item !== undefined ? 1 : 0));
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case 'index':
        return BigInt(this.#index0 + 1);
      case 'index0':
        return BigInt(this.#index0);
      case 'revindex':
        return BigInt(this.#count - this.#index0);
      case 'revindex0':
        return BigInt(this.#count - this.#index0 - 1);
      case 'first':
        return this.#index0 === 0;
      case 'last':
        return this.#peek() === undefined;
      case 'length':
        return BigInt(this.#count);
      case 'depth':
        return BigInt(this.#depth0 + 1);
      case 'depth0':
        return BigInt(this.#depth0);
      case 'previtem':
        return this.#index0 === 0 || this.#before === undefined
          ? new Undefined('there is no previous item')
          : this.#before;
      case 'nextitem':
        return this.#peek() === undefined ? new Undefined('there is no next item') : this.#peek();
      case 'cycle':
        return new Callable(({ positional, named }) => {
          if (named.size > 0 || positional.length === 0) throw new JinjaError('no items for cycling given');
          return positional[this.#index0 % positional.length] as Value;
        });
      case 'changed':
        return new Callable(({ positional }) => {
          const value = new Tuple(positional);
          if (this.#changed !== undefined && equal(this.#changed, value)) return false;
          this.#changed = value;
          return true;
        });
      default:
        return undefined;
    }
  }

  override call(given: Arguments): Value {
    const [items = null] = bound('loop', given, [['iterable']]);
    if (!this.#recurse) throw new JinjaError("The loop must have the 'recursive' marker to be called recursively.");
    return this.#recurse(items, this.#depth0 + 1);
  }

  override print(): string {
    return `<LoopContext ${this.#index0 + 1}/${this.#count}>`;
  }
}
