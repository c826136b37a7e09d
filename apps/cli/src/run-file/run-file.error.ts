import { UsageError } from '../usage.error.ts';

/** A run file, or what `--set` made of it, is no run. */
export class RunFileError extends UsageError {
  override readonly name = 'RunFileError';

  constructor(faults: readonly string[]) {
    super(
      `${faults.join('\n  ')}\nMend ${faults.length === 1 ? 'this' : 'these'} and run it again; solopo schema prints all that a run file may say.`,
    );
  }
}
