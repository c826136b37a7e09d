import { SolopoError } from '@solopo/contracts';

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

const SYSTEM_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** Postgres: connection exceptions, shutting down, starting up, too many connections. */
const SQL_STATES = /^(08...|57P0[1-3]|53300)$/;

/** Whether what a job stands on is away, so that the job itself is not to blame: no attempt is counted for it. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof SolopoError && error.code === 'not-ready') return true;
  const code = 'code' in error ? String(error.code) : '';
  if (SYSTEM_ERRORS.has(code) || SQL_STATES.test(code) || /^Connection terminated/.test(error.message)) return true;
  return isOutage(error.cause) || (error instanceof AggregateError && error.errors.some(isOutage));
}
