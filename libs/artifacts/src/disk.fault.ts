import { SolopoError } from '@solopo/contracts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** A full disk by its name; any other error as it is. `what` lies on the disk. */
export function diskFault(error: unknown, what: string): unknown {
  if (!(error instanceof Error && 'code' in error && FULL.has(String(error.code)))) return error;
  return new SolopoError(
    'store-full',
    `${what} is full (${String(error.code)}); make room, or give it a larger disk, then try again.`,
    { cause: error },
  );
}
