import { describe, expect, it } from 'vitest';
import { pairedDifference } from './paired-difference.ts';
import { wilsonInterval } from './wilson.ts';

describe('the Wilson interval', () => {
  // Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i of %i is the published one', (correct, n, low, high) => {
    const interval = wilsonInterval(correct, n);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('mirrors when right and wrong change places', () => {
    const [some, others] = [wilsonInterval(3, 40), wilsonInterval(37, 40)];
    expect(others.low).toBeCloseTo(1 - some.high, 12);
    expect(others.high).toBeCloseTo(1 - some.low, 12);
    expect(wilsonInterval(20, 20).high).toBe(1);
  });

  it('refuses what is no proportion', () => {
    expect(() => wilsonInterval(0, 0)).toThrow('0 of 0 is no proportion');
    expect(() => wilsonInterval(3, 2)).toThrow(RangeError);
  });
});

describe('the paired difference', () => {
  it('is the one worked by hand', () => {
    // 1 both right, 1 only the first, 7 only the second, 12 neither: p = 2/23, q = 8/23, p - q = -0.26087,
    // variance (10/23 - 0.26087^2)/23 = 0.0159447, half width 1.959964 * 0.1262721 = 0.2474888.
    const first = `1${'1'}${'0'.repeat(7)}${'0'.repeat(12)}`;
    const second = `1${'0'}${'1'.repeat(7)}${'0'.repeat(12)}`;
    const found = pairedDifference(first, second);
    expect(found.difference).toBeCloseTo(-6 / 21, 12);
    expect(found.low).toBeCloseTo(-0.508358, 5);
    expect(found.high).toBeCloseTo(-0.013381, 5);
    expect(found).toMatchObject({ n: 21, separated: true });
    const swapped = pairedDifference(second, first);
    expect([swapped.low, swapped.high]).toEqual([-found.high, -found.low]);
  });

  it('does not separate what agrees on every question', () => {
    const found = pairedDifference('1101', '1101');
    expect(found).toMatchObject({ difference: 0, separated: false });
    expect(found.low).toBeLessThan(0);
    expect(found.high).toBe(-found.low);
  });

  it('needs more than a handful of questions, as the exact test does', () => {
    const only = (b: number) => pairedDifference('1'.repeat(b) + '0'.repeat(1000 - b), '0'.repeat(1000));
    expect(only(5).separated).toBe(false); // exact McNemar: p = 0.0625
    expect(only(6).separated).toBe(true); // p = 0.03125
  });

  it('pairs only equally many questions', () => {
    expect(() => pairedDifference('10', '1')).toThrow('outcomes of 2 and 1 questions cannot be paired');
  });
});
