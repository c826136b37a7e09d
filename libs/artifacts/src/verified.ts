import { createHash } from 'node:crypto';
import { SolopoError } from '@solopo/contracts';
import { named } from './artifact.store.ts';

/** The content as it comes; its last piece only where the whole is what the digest says. */
export async function* verified(
  content: AsyncIterable<Uint8Array>,
  digest: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256');
  let last: Uint8Array | undefined;
  for await (const chunk of content) {
    hash.update(chunk);
    if (last !== undefined) yield last;
    last = chunk;
  }
  if (hash.digest('hex') !== digest) throw damaged(digest);
  if (last !== undefined) yield last;
}

export async function hasDigest(content: AsyncIterable<Uint8Array>, digest: string): Promise<boolean> {
  const hash = createHash('sha256');
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex') === digest;
}

export function damaged(digest: string, name?: string): SolopoError {
  return new SolopoError(
    'artifact-damaged',
    `Artifact ${digest}${named(name)} is damaged; restore it from a backup, or put it again.`,
  );
}
