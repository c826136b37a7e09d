import { UsageError } from '../usage.error.ts';

const SHOWN = 20;

/** A run file, or what `--set` made of it, is no run. */
export class RunFileError extends UsageError {
  override readonly name = 'RunFileError';

  constructor(faults: readonly string[]) {
    const more = faults.length - SHOWN;
    const told = [...faults.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
    super(
      `${told.join('\n  ')}\nMend ${faults.length === 1 ? 'this' : 'these'} and run it again; solopo schema prints all that a run file may say.`,
    );
  }
}
