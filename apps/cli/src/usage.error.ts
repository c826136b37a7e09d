import { readable } from '@solopo/text';

/** The command line itself is wrong, or a file that it names. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';

  constructor(message: string, options?: ErrorOptions) {
    super(readable(message), options);
  }
}
