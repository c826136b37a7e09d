import { describe, expect, it } from 'vitest';
import { philox4x32 } from './philox.ts';
import { Random } from './random.ts';

describe('philox4x32', () => {
  // The known answers that Random123 1.14 publishes (kat_vectors).
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)('of %j under %j', (counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected);
  });
});

describe('Random', () => {
  const draw = (random: Random, count = 10) => Array.from({ length: count }, () => random.uint32());

  it('gives the same stream for the same key and another for any other', () => {
    expect(draw(new Random('a', 1))).toEqual(draw(new Random('a', 1)));
    const streams = [new Random('a', 1), new Random('a', '1'), new Random('a1'), new Random(1, 'a'), new Random()];
    expect(new Set(streams.map((random) => draw(random).join())).size).toBe(streams.length);
  });

  it('stays what it was: stored data and digests depend on it', () => {
    expect(draw(new Random('solopo', 0), 5)).toMatchInlineSnapshot(`
      [
        3907053399,
        2566253401,
        4097817241,
        4139712947,
        2533982213,
      ]
    `);
  });

  it('is uniform below a bound', () => {
    const random = new Random('uniform');
    const counts = new Array<number>(7).fill(0);
    for (let index = 0; index < 70_000; index++) counts[random.below(7)]! += 1;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(() => random.below(0)).toThrow(RangeError);
  });

  it('has floats from 0 to 1 with the mean of one half', () => {
    const random = new Random('floats');
    const floats = Array.from({ length: 20_000 }, () => random.float());
    expect(Math.min(...floats)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...floats)).toBeLessThan(1);
    expect(floats.reduce((sum, value) => sum + value, 0) / floats.length).toBeCloseTo(0.5, 1);
  });

  it('shuffles every item to every place equally often, and leaves its input alone', () => {
    const items = [0, 1, 2, 3] as const;
    const counts = items.map(() => items.map(() => 0));
    const random = new Random('shuffle');
    for (let round = 0; round < 8000; round++)
      random.shuffle(items).forEach((item, place) => (counts[item]![place]! += 1));
    for (const count of counts.flat()) expect(Math.abs(count - 2000)).toBeLessThan(200);
    expect(items).toEqual([0, 1, 2, 3]);
  });

  it('samples distinct items', () => {
    const sample = new Random('sample').sample([1, 2, 3, 4, 5], 3);
    expect(new Set(sample).size).toBe(3);
    expect(() => new Random().sample([1], 2)).toThrow(RangeError);
  });
});
