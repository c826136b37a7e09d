import { createHash } from 'node:crypto';
import { philox4x32 } from './philox.ts';
import type { Words2, Words4 } from './philox.ts';

export type RandomKey = string | number;

/**
 * A stream of random numbers named by its key: equal keys give equal streams on every machine and in any order of use.
 *
 * The first 128 bits of the SHA-256 of the key's JSON are, as four big-endian words, the Philox key (two)
 * and the upper half of its counter (two); the lower half counts blocks of four outputs from 0.
 */
export class Random {
  readonly #key: Words2;
  readonly #stream: Words2;
  #block = 0;
  #words: Words4 = [0, 0, 0, 0];
  #used = 4;

  constructor(...key: readonly RandomKey[]) {
    const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex');
    const word = (index: number) => Number.parseInt(digest.slice(8 * index, 8 * index + 8), 16);
    this.#key = [word(0), word(1)];
    this.#stream = [word(2), word(3)];
  }

  /** Uniform over 0 .. 2^32 - 1. */
  uint32(): number {
    if (this.#used === 4) {
      const low = this.#block % 0x1_0000_0000;
      const high = Math.floor(this.#block / 0x1_0000_0000);
      this.#words = philox4x32([low, high, ...this.#stream], this.#key);
      this.#block += 1;
      this.#used = 0;
    }
    return this.#words[this.#used++]!;
  }

  /** Uniform over [0, 1), in steps of 2^-53. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** Uniform over 0 .. bound - 1, for a bound up to 2^32, without bias. */
  below(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 0x1_0000_0000) {
      throw new RangeError(`a bound must be an integer from 1 to 2^32, not ${bound}`);
    }
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % bound;
    }
  }

  /** Uniform over the integers from `least` to `greatest`, both included. */
  between(least: number, greatest: number): number {
    return least + this.below(greatest - least + 1);
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    return items[this.below(items.length)]!;
  }

  /** The first `count` items of a random order; the items themselves stay as they are. */
  sample<T>(items: readonly T[], count: number): T[] {
    if (count > items.length) throw new RangeError(`${count} of ${items.length} items asked for`);
    const order = [...items];
    for (let index = 0; index < count; index++) {
      const other = this.between(index, order.length - 1);
      [order[index], order[other]] = [order[other]!, order[index]!];
    }
    order.length = count;
    return order;
  }

  shuffle<T>(items: readonly T[]): T[] {
    return this.sample(items, items.length);
  }
}
