interface Place {
  readonly value: unknown;
  readonly key: PropertyKey;
  readonly parent: Place | undefined;
}

/** Paths of the texts that cannot be kept: Postgres takes no NUL, and UTF-8 has no lone surrogates. However deep they are. */
export function* unstorableTexts(value: unknown): Generator<readonly PropertyKey[], void, undefined> {
  const open: Place[] = [{ value, key: '', parent: undefined }];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value: found } = place;
    if (typeof found === 'string' && (found.includes('\0') || !found.isWellFormed())) yield pathOf(place);
    if (typeof found !== 'object' || found === null) continue;
    const members = Object.entries(found).map(([key, member]): Place => ({ value: member, key, parent: place }));
    for (const member of members.reverse()) open.push(member);
  }
}

function pathOf(place: Place): readonly PropertyKey[] {
  const path: PropertyKey[] = [];
  for (let at = place; at.parent !== undefined; at = at.parent) path.push(at.key);
  return path.reverse();
}

export const UNSTORABLE = 'must be text without NUL characters and lone surrogates';
