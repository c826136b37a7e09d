const LONGEST_DELAY_MS = 5 * 60_000;

/** Executions beyond the attempts that a job may cost by ending its processes, before it is given up unexecuted. */
export const CRASHES_FORGIVEN = 2;

/** Of the ack wait: a heartbeat may be that late, and some more, before anything happens. */
const BEATS = 4;

export function beatMsOf(ackWaitMs: number): number {
  return ackWaitMs / BEATS;
}

/** Doubles with each attempt, within a quarter up or down so that failures together are not retried together. */
export function retryDelayMs(baseMs: number, attempt: number, random: () => number = Math.random): number {
  const delay = Math.min(baseMs * 2 ** (attempt - 1), LONGEST_DELAY_MS);
  return Math.round(delay * (0.75 + 0.5 * random()));
}
