import { Z_95, type Interval } from './interval.ts';

/**
 * Wilson's score interval of a proportion (Wilson 1927; without continuity correction):
 *
 *     (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
 *
 * It stays within 0 and 1 and keeps its coverage near both ends.
 */
export function wilsonInterval(correct: number, n: number): Interval {
  if (!(n > 0 && correct >= 0 && correct <= n)) throw new RangeError(`${correct} of ${n} is no proportion`);
  const p = correct / n;
  const z2 = Z_95 ** 2;
  const centre = p + z2 / (2 * n);
  const half = Z_95 * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  const scale = 1 + z2 / n;
  return {
    low: correct === 0 ? 0 : (centre - half) / scale,
    high: correct === n ? 1 : (centre + half) / scale,
  };
}
