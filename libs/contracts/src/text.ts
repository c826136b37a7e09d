/** Paths of the texts that cannot be kept: Postgres takes no NUL, and UTF-8 has no lone surrogates. */
export function* unstorableTexts(
  value: unknown,
  path: readonly PropertyKey[] = [],
): Generator<readonly PropertyKey[], void, undefined> {
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) yield* unstorableTexts(member, [...path, key]);
}

export const UNSTORABLE = 'must be text without NUL characters and lone surrogates';
