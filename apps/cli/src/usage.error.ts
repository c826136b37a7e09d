/** The command line itself is wrong, or a file that it names. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}
