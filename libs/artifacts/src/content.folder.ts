import { createHash, randomUUID, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { digestOf, SolopoError } from '@solopo/contracts';
import {
  isDigest,
  missing,
  placeOf,
  type ArtifactSource,
  type KeptArtifact,
  type StoredArtifact,
} from './artifact.store.ts';
import { damaged } from './verified.ts';
import { WholeFiles } from './whole-files.ts';

const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;
const DAY_MS = 86_400_000;

/** Told before a file grows to so many bytes, and waited for. */
export type Growth = (bytes: number) => Promise<void>;

/**
 * Artifacts in a directory that several processes share.
 *
 *     content/ab/abcd…        the artifacts, read-only
 *     folders/<digest>/name   links to artifacts under their file names
 *     partial/                what is being written
 */
export class ContentFolder {
  readonly #whole = new WholeFiles();

  private constructor(readonly root: string) {}

  /** Makes the directory when missing, and clears what crashed writers left there more than a day ago. */
  static async open(root: string): Promise<ContentFolder> {
    const folder = new ContentFolder(resolve(root));
    for (const name of ['content', 'folders', 'partial']) await mkdir(join(folder.root, name), { recursive: true });
    await folder.#clearPartial(DAY_MS);
    return folder;
  }

  path(digest: string): string {
    return join(this.root, 'content', placeOf(digest));
  }

  async has(digest: string): Promise<boolean> {
    return exists(this.path(digest));
  }

  /** Whether the artifact is here, and what its digest says. */
  async isWhole(digest: string): Promise<boolean> {
    return this.#whole.isWhole(this.path(digest), digest);
  }

  /** @param name of the file that it is, where it is known */
  async demandWhole(digest: string, name?: string): Promise<void> {
    if (!(await this.has(digest))) throw missing(digest, name);
    if (!(await this.isWhole(digest))) throw damaged(digest, name);
  }

  /** A path to write at, whose name begins as told. */
  partial(name = ''): string {
    return join(this.root, 'partial', `${name}${name && '.'}${randomUUID()}`);
  }

  /** Makes the file at a partial path, which has the digest, an artifact. */
  async keep(partial: string, digest: string): Promise<void> {
    const path = this.path(digest);
    await chmod(partial, 0o444);
    await mkdir(dirname(path), { recursive: true });
    await rename(partial, path);
    await this.#whole.trust(path, digest);
    await syncFolder(dirname(path));
  }

  async *list(): AsyncGenerator<KeptArtifact> {
    const content = join(this.root, 'content');
    for (const place of await readdir(content))
      for (const digest of await readdir(join(content, place))) {
        const path = join(content, place, digest);
        const file = await stat(path).catch(() => undefined);
        if (file?.isFile() === true && isDigest(digest)) yield { digest, bytes: file.size, storedAt: file.mtime };
      }
  }

  /** Put aside first: what was stored again meanwhile, under the same name, is put back. Times in whole milliseconds, as list() gives them. */
  async remove(digest: string, storedAt: Date): Promise<boolean> {
    const [path, aside] = [this.path(digest), this.partial()];
    const isThere = await rename(path, aside).then(
      () => true,
      () => false,
    );
    if (!isThere) return false;
    if ((await stat(aside)).mtime > storedAt) {
      await rename(aside, path);
      return false;
    }
    await rm(aside, { force: true });
    return true;
  }

  async scratch<T>(work: (path: string) => Promise<T>): Promise<T> {
    const path = this.partial();
    try {
      return await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /** A folder of links to artifacts that are here, under these file names. Made once, then kept as long as nobody changes it. */
  async show(files: Readonly<Record<string, string>>): Promise<string> {
    const folder = join(this.root, 'folders', digestOf(files));
    const links = Object.entries(files).map(([name, digest]) => {
      demandFileName(name);
      return [name, relative(folder, this.path(digest))] as const;
    });
    for (const [name, digest] of Object.entries(files)) await this.demandWhole(digest, name);
    if (await hasExactly(folder, links)) return folder;
    const partial = this.partial();
    await mkdir(partial);
    try {
      for (const [name, target] of links) await symlink(target, join(partial, name));
      await rename(partial, folder).catch(async () => {
        // Another process was faster, or somebody changed what is there.
        if (await hasExactly(folder, links)) return;
        await this.#discard(folder);
        await rename(partial, folder);
      });
      return folder;
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }

  async #discard(folder: string): Promise<void> {
    const aside = this.partial();
    await rename(folder, aside).catch(() => undefined);
    await rm(aside, { recursive: true, force: true });
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

/** Whether these links are all that is in the folder. */
async function hasExactly(folder: string, links: readonly (readonly [string, string])[]): Promise<boolean> {
  const names = await readdir(folder).catch(() => undefined);
  if (names?.length !== links.length) return false;
  const targets = await Promise.all(links.map(([name]) => readlink(join(folder, name)).catch(() => undefined)));
  return links.every(([, target], index) => targets[index] === target);
}

export function demandFileName(name: string): void {
  if (!FILE_NAME.test(name))
    throw new SolopoError('input-invalid', `"${name}" is not a plain file name; rename the file.`);
}

/** What is written at once: much more than a chunk of a request, and little beside a process's memory. */
const PIECE_BYTES = 1 << 20;

/** Writes the content, behind what the file has already, and syncs it. Digest and size are of the whole file. */
export async function write(path: string, source: ArtifactSource, grows?: Growth): Promise<StoredArtifact> {
  const { hash, bytes: before } = await begun(path);
  let bytes = before;
  const file = await open(path, 'a');
  // One piece is written while the other is filled: a source may use its own memory again.
  let [filling, other] = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)];
  let filled = 0;
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    await grows?.(bytes);
    writing = file.writeFile(filling.subarray(0, filled));
    // Whoever waits for it next hears of its fault.
    writing.catch(() => undefined);
    [filling, other] = [other, filling];
    filled = 0;
  };
  try {
    for await (const chunk of source instanceof Uint8Array ? [source] : source) {
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
  return { digest: hash.digest('hex'), bytes };
}

/** What the file has already, hashed. */
async function begun(path: string): Promise<{ readonly hash: Hash; readonly bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  if (await exists(path))
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.byteLength;
    }
  return { hash, bytes };
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

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
