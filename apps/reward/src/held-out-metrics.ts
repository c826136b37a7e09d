import { meanMetrics, tokenMetrics, type ResponseStatistics } from '@solopo/objectives';

export interface MeasuredPair {
  /** Of its responses over the short context. */
  readonly statistics: {
    readonly chosen: ResponseStatistics;
    /** Null: it has none. */
    readonly rejected: ResponseStatistics | null;
  };
  readonly metrics: Readonly<Record<string, number>>;
  readonly longTokens: number;
  /** Where the evidence lies in the long context: from 0, its start, to 1; null where nothing is known of it. */
  readonly evidence: number | null;
}

/** What is also told by length of the long context and by place of the evidence in it. */
const BY_GROUP = ['solo/gap_abs', 'solo/logp_gap_per_token', 'solo/margin_long', 'solo/accuracy_long'];

/** Means over the pairs, over all tokens where that is how TRL counts, and by group as `NAME/GROUP`. */
export function heldOutMetrics(pairs: readonly MeasuredPair[]): Record<string, number> {
  const tokens = tokenMetrics(
    pairs.map(({ statistics }) => statistics.chosen),
    pairs.flatMap(({ statistics }) => statistics.rejected ?? []),
  );
  const groups = Map.groupBy(
    pairs.flatMap((pair) => groupsOf(pair).map((group) => ({ group, metrics: pair.metrics }))),
    ({ group }) => group,
  );
  return {
    ...meanMetrics(pairs.map(({ metrics }) => metrics)),
    ...Object.fromEntries(Object.entries(tokens).map(([name, value]) => [`eval_${name}`, value])),
    pairs: pairs.length,
    ...Object.fromEntries(
      [...groups]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([group, members]) => {
          const means = meanMetrics(members.map(({ metrics }) => metrics));
          return [
            [`pairs/${group}`, members.length],
            ...BY_GROUP.flatMap((name) => (means[name] === undefined ? [] : [[`${name}/${group}`, means[name]]])),
          ] as [string, number][];
        }),
    ),
  };
}

/** Lengths by powers of two, places by thirds. */
function groupsOf({ longTokens, evidence }: MeasuredPair): string[] {
  const length = `length_le_${2 ** Math.ceil(Math.log2(longTokens))}`;
  return evidence === null ? [length] : [length, `evidence_${thirdOf(evidence)}`];
}

function thirdOf(place: number): 'first' | 'middle' | 'last' {
  return place < 1 / 3 ? 'first' : place < 2 / 3 ? 'middle' : 'last';
}

/** The mean of the spans' middles, as a share of the context. */
export function evidencePlace(
  spans: readonly { readonly start: number; readonly end: number }[],
  contextTokens: number,
): number | null {
  if (spans.length === 0) return null;
  const middles = spans.reduce((sum, { start, end }) => sum + (start + end) / 2, 0);
  return middles / spans.length / contextTokens;
}
