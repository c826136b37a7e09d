import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { digestOf, sha256, SolopoError } from '@solopo/contracts';

export interface StoredArtifact {
  /** SHA-256 of the content: its only name. */
  readonly digest: string;
  readonly bytes: number;
}

export type ArtifactSource = Uint8Array | AsyncIterable<Uint8Array>;

const DIGEST = /^[0-9a-f]{64}$/;
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;
const DAY_MS = 86_400_000;

/**
 * Big things by digest, in a directory that several processes share. An artifact appears whole or not at all, and
 * never changes.
 *
 *     content/ab/abcd…        the artifacts, read-only
 *     folders/<digest>/name   links to artifacts under their file names
 *     partial/                what is being written
 */
export class ArtifactStore {
  private constructor(readonly root: string) {}

  /** Makes the directory when missing, and clears what crashed writers left there more than a day ago. */
  static async open(root: string): Promise<ArtifactStore> {
    const store = new ArtifactStore(resolve(root));
    for (const name of ['content', 'folders', 'partial']) await mkdir(join(store.root, name), { recursive: true });
    await store.#clearPartial(DAY_MS);
    return store;
  }

  path(digest: string): string {
    if (!DIGEST.test(digest))
      throw new SolopoError('input-invalid', `"${digest}" is not an artifact digest; give 64 hexadecimal digits.`);
    return join(this.root, 'content', digest.slice(0, 2), digest);
  }

  async has(digest: string): Promise<boolean> {
    return exists(this.path(digest));
  }

  /** Stores the content. With `expected`, content of another digest is refused and nothing is kept. */
  async put(source: ArtifactSource, expected?: string): Promise<StoredArtifact> {
    const partial = this.#partial();
    try {
      const stored = await write(partial, source instanceof Uint8Array ? [source] : source);
      if (expected !== undefined && stored.digest !== expected) {
        throw new SolopoError(
          'input-invalid',
          `The content has digest ${stored.digest}, not ${expected}; send it again.`,
        );
      }
      const path = this.path(stored.digest);
      await mkdir(dirname(path), { recursive: true });
      await rename(partial, path);
      await syncFolder(dirname(path));
      return stored;
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  /** The path of a file of one's own, gone when the work is; what a crash leaves of it is cleared like partial artifacts. */
  async scratch<T>(work: (path: string) => Promise<T>): Promise<T> {
    const path = this.#partial();
    try {
      return await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /** The content as a stream. */
  async open(digest: string): Promise<Readable> {
    await this.#demand(digest);
    return createReadStream(this.path(digest));
  }

  /** The content at once, checked against its digest. */
  async read(digest: string): Promise<Buffer> {
    await this.#demand(digest);
    const content = await readFile(this.path(digest));
    if (sha256(content) !== digest) {
      throw new SolopoError('internal', `Artifact ${digest} is damaged; restore it from a backup or put it again.`);
    }
    return content;
  }

  async size(digest: string): Promise<number> {
    await this.#demand(digest);
    return (await stat(this.path(digest))).size;
  }

  /** A folder that shows the artifacts under these file names, such as a model's. Made once, then kept. */
  async materialize(files: Readonly<Record<string, string>>): Promise<string> {
    const folder = join(this.root, 'folders', digestOf(files));
    if (await exists(folder)) return folder;
    const partial = this.#partial();
    await mkdir(partial);
    try {
      for (const [name, digest] of Object.entries(files)) {
        if (!FILE_NAME.test(name))
          throw new SolopoError('input-invalid', `"${name}" is not a plain file name; rename the file.`);
        await this.#demand(digest);
        await symlink(relative(folder, this.path(digest)), join(partial, name));
      }
      await rename(partial, folder).catch(async (error: unknown) => {
        if (!(await exists(folder))) throw error;
      });
      return folder;
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }

  async #demand(digest: string): Promise<void> {
    if (!(await this.has(digest)))
      throw new SolopoError('not-found', `There is no artifact ${digest}; upload it first.`);
  }

  #partial(): string {
    return join(this.root, 'partial', randomUUID());
  }

  async #clearPartial(olderThanMs: number): Promise<void> {
    const folder = join(this.root, 'partial');
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const left = await lstat(path).catch(() => undefined);
      if (left !== undefined && Date.now() - left.mtimeMs > olderThanMs)
        await rm(path, { recursive: true, force: true });
    }
  }
}

/** What is written at once: much more than a chunk of a request, and little beside a process's memory. */
const PIECE_BYTES = 1 << 20;

async function write(path: string, source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<StoredArtifact> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'wx');
  // One piece is written while the other is filled: a source may use its own memory again.
  let [filling, other] = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)];
  let filled = 0;
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    writing = file.writeFile(filling.subarray(0, filled));
    // Whoever waits for it next hears of its fault.
    writing.catch(() => undefined);
    [filling, other] = [other, filling];
    filled = 0;
  };
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      for (let at = 0; at < chunk.byteLength;) {
        const part = chunk.subarray(at, at + PIECE_BYTES - filled);
        filling.set(part, filled);
        filled += part.byteLength;
        at += part.byteLength;
        if (filled === PIECE_BYTES) await flush();
      }
    }
    await flush();
    await writing;
    await file.sync();
  } finally {
    await writing.catch(() => undefined);
    await file.close();
  }
  await chmod(path, 0o444);
  return { digest: hash.digest('hex'), bytes };
}

/** A rename survives a power cut only when its folder is on the disk too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
