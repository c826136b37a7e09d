import { SolopoError } from '@solopo/contracts';

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

/** Whether what the work stands on is away, so that the work itself is not to blame: to be done again, later. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof SolopoError && error.code === 'not-ready') return true;
  const code = 'code' in error ? String(error.code) : '';
  if (SYSTEM_ERRORS.has(code) || SQL_STATES.test(code) || /^Connection terminated/.test(error.message)) return true;
  return isOutage(error.cause) || (error instanceof AggregateError && error.errors.some(isOutage));
}
