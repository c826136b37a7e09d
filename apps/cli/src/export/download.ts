import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ApiClient } from '../client/api.client.ts';
import { ApiError } from '../client/api.error.ts';

export interface RemoteFile {
  readonly name: string;
  readonly digest: string;
  /** Of a small file; null: it is an artifact. */
  readonly content: string | null;
}

const ATTEMPTS = 3;

/** Writes the file into the folder, and checks that it is the one of the digest. */
export async function download(api: ApiClient, file: RemoteFile, folder: string, signal: AbortSignal): Promise<number> {
  const path = pathIn(folder, file.name);
  if (file.content !== null) {
    demandDigest(file, createHash('sha256').update(file.content).digest('hex'));
    await writeFile(path, file.content);
    return Buffer.byteLength(file.content);
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchInto(api, file, path);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ApiError || attempt >= ATTEMPTS) throw error;
    }
  }
}

async function fetchInto(api: ApiClient, file: RemoteFile, path: string): Promise<number> {
  const source = await api.readArtifact(file.digest);
  const hash = createHash('sha256');
  let bytes = 0;
  async function* seen(): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  }
  await pipeline(Readable.from(seen()), createWriteStream(path));
  demandDigest(file, hash.digest('hex'));
  return bytes;
}

function pathIn(folder: string, name: string): string {
  if (basename(name) !== name || name === '.' || name === '..' || name === '')
    throw new Error(
      `The system names a file ${JSON.stringify(name)}, which lies outside of the folder; nothing was written.`,
    );
  return join(folder, name);
}

function demandDigest({ name, digest }: RemoteFile, found: string): void {
  if (found !== digest)
    throw new Error(
      `${name} came with the digest ${found} instead of ${digest}; try again, and check the store if it stays so.`,
    );
}
