import { SolopoError, type ErrorCode } from '@solopo/contracts';

const SYSTEM_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
]);
/** Postgres: connection exceptions, shutting down, starting up, too many connections, a standby that takes no writes. */
const SQL_STATES = /^(08...|57P0[1-5]|53300|25006)$/;
const DISK_FULL = '53100';
/** Of its client and the pool of its connections, which give no codes. */
const MESSAGES =
  /^(Connection terminated|timeout expired|timeout exceeded when trying to connect|Query read timeout|Cannot use a pool after calling end|Client (has encountered a connection error|was closed) and is not queryable)/;
const CODES: ReadonlySet<string> = new Set(['not-ready', 'store-full'] satisfies ErrorCode[]);

/** Whether what the work stands on is away or full, so that the work itself is not to blame: to be done again, later. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof SolopoError && CODES.has(error.code)) return true;
  const code = 'code' in error ? String(error.code) : '';
  if (SYSTEM_ERRORS.has(code) || SQL_STATES.test(code) || code === DISK_FULL || MESSAGES.test(error.message))
    return true;
  return isOutage(error.cause) || (error instanceof AggregateError && error.errors.some(isOutage));
}

/** Whether it is the disk of the database that is full. */
export function isDatabaseFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && error.code === DISK_FULL) || isDatabaseFull(error.cause);
}
