import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { hasDigest } from './verified.ts';

const PIECE_BYTES = 1 << 20;

/**
 * Which files are what their digests say. A file is read once, and again when its inode, size or times are others: a change
 * is seen, and nothing is hashed for every job.
 */
export class WholeFiles {
  readonly #known = new Map<string, string>();
  readonly #reading = new Map<string, Promise<boolean>>();

  /** False also where there is no such file. */
  async isWhole(path: string, digest: string): Promise<boolean> {
    const identity = await identityOf(path);
    if (identity === undefined) return false;
    if (this.#known.get(digest) === identity) return true;
    const key = `${digest} ${identity}`;
    let reading = this.#reading.get(key);
    if (reading === undefined) {
      reading = this.#read(path, digest, identity).finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }

  /** The file is there since just now, and its content was hashed on the way. */
  async trust(path: string, digest: string): Promise<void> {
    const identity = await identityOf(path);
    if (identity !== undefined) this.#known.set(digest, identity);
  }

  /** Known as it was before it was read, so that a change meanwhile is one. */
  async #read(path: string, digest: string, identity: string): Promise<boolean> {
    const isWhole = await reads(path, digest);
    if (isWhole) this.#known.set(digest, identity);
    else this.#known.delete(digest);
    return isWhole;
  }
}

async function identityOf(path: string): Promise<string | undefined> {
  const file = await stat(path, { bigint: true }).catch(() => undefined);
  return file && [file.dev, file.ino, file.size, file.mtimeNs, file.ctimeNs].join(' ');
}

/** Not where it cannot be read to its end: a disk that has lost a block says so. */
async function reads(path: string, digest: string): Promise<boolean> {
  try {
    return await hasDigest(createReadStream(path, { highWaterMark: PIECE_BYTES }), digest);
  } catch (error) {
    if (error instanceof Error && 'code' in error && LOST.has(String(error.code))) return false;
    throw error;
  }
}

const LOST = new Set(['EIO', 'ENOENT']);
