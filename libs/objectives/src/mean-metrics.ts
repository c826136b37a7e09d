type Metrics = Readonly<Record<string, number>>;

/** Means, of each metric over the pairs that have it, and the 95th percentile (nearest rank) of the absolute gap. */
export function meanMetrics(pairs: readonly Metrics[]): Record<string, number> {
  const names = [...new Set(pairs.flatMap((pair) => Object.keys(pair)))];
  const valuesOf = (name: string): number[] => pairs.flatMap((pair) => pair[name] ?? []);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const gaps = valuesOf('solo/gap_abs').sort((a, b) => a - b);
  const p95 = gaps[Math.ceil(0.95 * gaps.length) - 1];
  return {
    ...Object.fromEntries(names.map((name) => [name, mean(valuesOf(name))])),
    ...(p95 === undefined ? {} : { 'solo/gap_p95': p95 }),
  };
}
