import { readable } from './in-short.ts';

/** A model folder whose tokenizer or chat template cannot be used. The message names the file and says what to do. */
export class TextModelError extends Error {
  override readonly name = 'TextModelError';
  readonly code = 'model-invalid';
  readonly retryable = false;

  constructor(
    readonly file: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(readable(`${file}: ${message}`), options);
  }
}
