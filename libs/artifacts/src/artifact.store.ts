import type { Readable } from 'node:stream';
import { SolopoError } from '@solopo/contracts';

export interface StoredArtifact {
  /** SHA-256 of the content: its only name. */
  readonly digest: string;
  readonly bytes: number;
}

export interface KeptArtifact extends StoredArtifact {
  /** When it was stored last. */
  readonly storedAt: Date;
}

export type ArtifactSource = Uint8Array | AsyncIterable<Uint8Array>;

/** Big things by digest, that several processes share. An artifact appears whole or not at all, and never changes. */
export abstract class ArtifactStore {
  /** Where it is, and how it is, for a report. */
  abstract describe(): string;

  /**
   * Whether something can be written, as far as that is known before.
   *
   * @throws SolopoError `store-full`
   */
  abstract demandRoom(): Promise<void>;

  abstract has(digest: string): Promise<boolean>;

  abstract size(digest: string): Promise<number>;

  /**
   * Reads the content where it is not known as it is now.
   *
   * @throws SolopoError `artifact-damaged` where it is not what its digest says, `not-found` where there is none
   */
  abstract demandWhole(digest: string): Promise<void>;

  /**
   * Stores the content, again if it is there. With `expected`, content of another digest is refused and nothing is kept.
   */
  abstract put(source: ArtifactSource, expected?: string): Promise<StoredArtifact>;

  /**
   * The content as a stream, checked as by `demandWhole` before its first piece, and once more on the way: what changes
   * meanwhile fails before its last piece.
   */
  abstract open(digest: string): Promise<Readable>;

  /**
   * A folder of this machine that shows the artifacts, and nothing else, under these file names, such as a model's. Each is
   * checked as by `demandWhole`. The same files are always in the same folder. It stays until the work is done that it was
   * made within (`during`); for longer only in a store that is a folder itself.
   */
  abstract materialize(files: Readonly<Record<string, string>>): Promise<string>;

  /** Whatever is materialized within the work stays on this machine until the work is done. */
  abstract during<T>(work: () => Promise<T>): Promise<T>;

  /** All that there are, in no order. */
  abstract list(): AsyncIterable<KeptArtifact>;

  /** For good, unless it was stored again since. Whoever asks knows that nobody needs it. Whether it was removed. */
  abstract remove(artifact: KeptArtifact): Promise<boolean>;

  /** The path of a file of one's own, gone when the work is; what a crash leaves of it is cleared like partial artifacts. */
  abstract scratch<T>(work: (path: string) => Promise<T>): Promise<T>;
}

const DIGEST = /^[0-9a-f]{64}$/;

export function isDigest(name: string): boolean {
  return DIGEST.test(name);
}

/** Where artifacts lie by their digests, in folders and buckets alike: `ab/abcd…`. */
export function placeOf(digest: string): string {
  if (!isDigest(digest))
    throw new SolopoError('input-invalid', `"${digest}" is not an artifact digest; give 64 hexadecimal digits.`);
  return `${digest.slice(0, 2)}/${digest}`;
}

export function demandExpected(digest: string, expected: string | undefined): void {
  if (expected !== undefined && digest !== expected)
    throw new SolopoError('input-invalid', `The content has digest ${digest}, not ${expected}; send it again.`);
}

export function missing(digest: string, name?: string): SolopoError {
  return new SolopoError('not-found', `There is no artifact ${digest}${named(name)}; upload it first.`);
}

/** Whether an artifact is damaged, or not there: then its content is needed again. */
export function isLostArtifact(error: unknown): error is SolopoError {
  return error instanceof SolopoError && (error.code === 'artifact-damaged' || error.code === 'not-found');
}

/** The file that an artifact is, behind its digest. */
export function named(name: string | undefined): string {
  return name === undefined ? '' : ` (${name})`;
}
