import { digestOf } from '@solopo/contracts';

interface ContextContent {
  readonly kind: string;
  readonly tokens: ArrayLike<number>;
  readonly evidence: readonly { readonly document: number; readonly start: number; readonly end: number }[];
}

interface PairContent {
  /** Digests of its contexts. */
  readonly short: string;
  readonly long: string;
  readonly chosen: ArrayLike<number>;
  readonly rejected: ArrayLike<number>;
}

export function contextDigest({ kind, tokens, evidence }: ContextContent): string {
  return digestOf({ kind, tokens: Array.from(tokens), evidence });
}

export function pairDigest({ short, long, chosen, rejected }: PairContent): string {
  return digestOf({ short, long, chosen: Array.from(chosen), rejected: Array.from(rejected) });
}
