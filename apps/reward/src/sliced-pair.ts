import type { MeasuredPair } from './held-out-metrics.ts';

/** A measured pair as a slice keeps it for the slices after it. */
export interface SlicedPair extends MeasuredPair {
  /** Its digest. */
  readonly pair: string;
  readonly shortTokens: number;
}

/** What the ledger keeps of a pair for good. */
export function detailOf({ pair, shortTokens, longTokens, evidence, metrics }: SlicedPair) {
  return { pair, shortTokens, longTokens, evidence, metrics };
}

/** Numbers come back to the last bit, but JSON has none that is not finite. */
export function readSlices(kept: readonly unknown[]): SlicedPair[] {
  return (kept as readonly SlicedPair[]).map((pair) => ({
    ...pair,
    metrics: numbers(pair.metrics),
    statistics: {
      chosen: numbers(pair.statistics.chosen),
      rejected: pair.statistics.rejected && numbers(pair.statistics.rejected),
    },
  }));
}

function numbers<T extends object>(values: T): T {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value === null ? NaN : (value as number)]),
  ) as T;
}
