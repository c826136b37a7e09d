/** Something about a model's files that must be put right by whoever brought them; the message names it. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}
