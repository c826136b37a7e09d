import { Z_95, type Interval } from './interval.ts';

export interface PairedDifference extends Interval {
  /** Share of right answers of the first, minus that of the second. */
  readonly difference: number;
  readonly n: number;
  /** The interval does not contain 0. */
  readonly separated: boolean;
}

/**
 * The difference of two proportions measured on the same questions. Only the questions on which the two disagree carry
 * information: `b` where only the first is right, `c` where only the second is. The interval is Wald's after Bonett &
 * Price (2012), who add one to `b` and to `c`, so that it keeps its coverage when few questions differ:
 *
 *     p = (b + 1)/(n + 2),  q = (c + 1)/(n + 2),  p - q ± z √((p + q - (p - q)²)/(n + 2))
 *
 * @param first  one character a question: '1' right, '0' wrong.
 * @param second  the same questions in the same order.
 */
export function pairedDifference(first: string, second: string): PairedDifference {
  const n = first.length;
  if (n === 0 || second.length !== n)
    throw new RangeError(`outcomes of ${n} and ${second.length} questions cannot be paired`);
  let [b, c] = [0, 0];
  for (let i = 0; i < n; i++) {
    if (first[i] === second[i]) continue;
    if (first[i] === '1') b += 1;
    else c += 1;
  }
  const p = (b + 1) / (n + 2);
  const q = (c + 1) / (n + 2);
  const half = Z_95 * Math.sqrt((p + q - (p - q) ** 2) / (n + 2));
  const [low, high] = [Math.max(-1, p - q - half), Math.min(1, p - q + half)];
  return { difference: (b - c) / n, low, high, n, separated: low > 0 || high < 0 };
}
