const LONGEST_DELAY_MS = 5 * 60_000;

/** Doubles with each delivery, within a quarter up or down so that failures together are not retried together. */
export function retryDelayMs(baseMs: number, attempt: number, random: () => number = Math.random): number {
  const delay = Math.min(baseMs * 2 ** (attempt - 1), LONGEST_DELAY_MS);
  return Math.round(delay * (0.75 + 0.5 * random()));
}
