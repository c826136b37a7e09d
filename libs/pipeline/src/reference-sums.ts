interface ScoreRow {
  readonly position: number;
  readonly context: 'short' | 'long';
  readonly response: 'chosen' | 'rejected';
  readonly sum: number;
}

export type ReferenceSums = ReadonlyMap<number, Readonly<Record<string, number>>>;

/** The reference's summed log-probabilities by pair position and row: `shortChosen`, `shortRejected`, `longChosen`, `longRejected`. */
export function referenceSums(scores: readonly ScoreRow[]): ReferenceSums {
  const sums = new Map<number, Record<string, number>>();
  for (const { position, context, response, sum } of scores) {
    const rows = sums.get(position) ?? {};
    rows[`${context}${response === 'chosen' ? 'Chosen' : 'Rejected'}`] = sum;
    sums.set(position, rows);
  }
  return sums;
}

/** Log-probabilities in the order of the tokens, in double precision. */
export function sumOf(logps: Float32Array): number {
  let sum = 0;
  for (const logp of logps) sum += logp;
  return sum;
}
