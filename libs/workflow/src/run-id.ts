import { randomInt } from 'node:crypto';

/** Crockford's base 32: no letters that look like digits, and sorted like its values. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_DIGITS = 10;
const RANDOM_DIGITS = 10;

/** Later runs have later ids, to the millisecond; 50 random bits tell apart what begins in the same one. */
export function newRunId(now = Date.now()): string {
  return newId('run', now);
}

export function newReplayId(): string {
  return newId('replay', Date.now());
}

function newId(kind: string, now: number): string {
  const time = Array.from({ length: TIME_DIGITS }, (_, place) => {
    const digit = Math.floor(now / 32 ** (TIME_DIGITS - 1 - place)) % 32;
    return DIGITS[digit];
  });
  const random = Array.from({ length: RANDOM_DIGITS }, () => DIGITS[randomInt(32)]);
  return `${kind}_${[...time, ...random].join('')}`;
}
