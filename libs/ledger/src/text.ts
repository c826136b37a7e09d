/** Postgres has no NUL in texts, and UTF-8 no lone surrogates. Tokens are the truth, a text is their picture. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
