import type { Interval } from '../statistics/interval.ts';

const count = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 24,000 */
export const whole = (value: number): string => count.format(value);

/** A share as per cent: 98.1 */
export const percent = (share: number): string => (100 * share).toFixed(1);

/** A difference of shares in points, with its sign: +1.2 */
export const points = (difference: number): string => {
  const text = percent(difference);
  return Number(text) === 0 ? '0.0' : difference > 0 ? `+${text}` : text;
};

export const between = ({ low, high }: Interval, format: (value: number) => string): string =>
  `[${format(low)}, ${format(high)}]`;
