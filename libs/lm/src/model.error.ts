import { readable } from '@solopo/text';

/** Something about a model's files that must be put right by whoever brought them; the message names it. */
export class ModelError extends Error {
  override readonly name = 'ModelError';

  constructor(message: string, options?: ErrorOptions) {
    super(readable(message), options);
  }
}

/** The model gives no numbers to go by. */
export class LogitsNotFiniteError extends Error {
  override readonly name = 'LogitsNotFiniteError';

  /** @param parameter that holds numbers which are not finite; undefined where all are, and the overflow is on the way */
  constructor(readonly parameter: string | undefined) {
    super(
      parameter === undefined
        ? 'the logits are not finite, though every parameter is: numbers become too large on the way; take an earlier policy version or another model'
        : `the logits are not finite: ${notFiniteIn(parameter)}`,
    );
  }
}

export function notFiniteIn(parameter: string): string {
  return `parameter "${parameter}" holds values that are not finite; mend the model's files`;
}
