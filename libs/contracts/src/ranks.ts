/** Processes of PyTorch that train one model together: each has a part of it, and of the work. */
export interface RankLayout {
  /** On each machine. */
  readonly ranks: number;
  /** Machines. */
  readonly nodes: number;
  /** Neighbouring ranks that share each sequence; the others have sequences of their own. */
  readonly sequenceRanks: number;
}

export const ONE_RANK: RankLayout = { ranks: 1, nodes: 1, sequenceRanks: 1 };
export const MAX_RANKS = 256;
export const MAX_NODES = 1024;

/** Ranks on all machines. */
export function worldSize({ ranks, nodes }: Pick<RankLayout, 'ranks' | 'nodes'>): number {
  return ranks * nodes;
}

/** Into how many parts the pairs of a step are dealt. */
export function dataRanks(layout: RankLayout): number {
  return worldSize(layout) / layout.sequenceRanks;
}

/** What `sequenceRanks` may be where it has to divide `whole`, in words: `1, 3 or 9`. */
export function divisorsInWords(whole: number): string {
  const divisors = Array.from({ length: whole }, (_, i) => i + 1).filter((each) => whole % each === 0);
  const last = divisors.pop();
  return divisors.length === 0 ? `${last}` : `${divisors.join(', ')} or ${last}`;
}
