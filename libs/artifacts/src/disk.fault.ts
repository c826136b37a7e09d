import { SolopoError } from '@solopo/contracts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);

export function isFullDisk(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && FULL.has(String(error.code));
}

/** A full disk by its name; any other error as it is. `what` lies on the disk. */
export function diskFault(error: unknown, what: string): unknown {
  if (!isFullDisk(error)) return error;
  return new SolopoError(
    'store-full',
    `${what} is full (${error.code}); make room, or give it a larger disk, then try again.`,
    { cause: error },
  );
}
