/** What one response's tokens add up to. */
export interface ResponseStatistics {
  readonly tokens: number;
  /** log pi(y | x) */
  readonly logp: number;
  /** Tokens that were the most likely ones. */
  readonly hits: number;
  /** Sum of the predicted distributions' entropies, in nats. */
  readonly entropy: number;
  /** Sum of the logits' means over the vocabulary. */
  readonly meanLogit: number;
  /** Sum of the predicted distributions' KL from a teacher's, in nats; absent where there is none. */
  readonly kl?: number;
}

/** TRL's `logits/*`, `entropy` (of both responses) and `mean_token_accuracy` (of the chosen one): means over all their tokens. */
export function tokenMetrics(
  chosen: readonly ResponseStatistics[],
  rejected: readonly ResponseStatistics[],
): Record<string, number> {
  return {
    'logits/chosen': perToken(chosen, 'meanLogit'),
    ...(rejected.length === 0 ? {} : { 'logits/rejected': perToken(rejected, 'meanLogit') }),
    entropy: perToken([...chosen, ...rejected], 'entropy'),
    mean_token_accuracy: perToken(chosen, 'hits'),
  };
}

function perToken(responses: readonly ResponseStatistics[], name: Exclude<keyof ResponseStatistics, 'kl'>): number {
  const sum = (of: typeof name | 'tokens'): number => responses.reduce((total, response) => total + response[of], 0);
  return sum(name) / sum('tokens');
}
