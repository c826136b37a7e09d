/** Something could not be fetched; the message says what, and not yet what to do. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
}
