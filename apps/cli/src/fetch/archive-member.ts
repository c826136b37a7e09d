import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl, { type Entry, type ZipFile } from 'yauzl';

const openArchive = promisify<string, yauzl.Options, ZipFile>(yauzl.open);

/** Unpacks one file of a zip archive (a wheel is one), streaming; it is there when all of it is. */
export async function unpackMember(archive: string, member: string, out: string, signal: AbortSignal): Promise<void> {
  const zip = await openArchive(archive, { lazyEntries: true, autoClose: false });
  const part = `${out}.part`;
  try {
    const entry = await find(zip, member);
    if (!entry) throw new Error(`${archive} has no ${member}; remove it, and it is fetched again.`);
    const stream = await new Promise<Readable>((resolve, reject) => {
      zip.openReadStream(entry, (error, opened) => (error ? reject(error) : resolve(opened)));
    });
    await pipeline(stream, createWriteStream(part), { signal });
    await rename(part, out);
  } finally {
    zip.close();
    await rm(part, { force: true });
  }
}

function find(zip: ZipFile, member: string): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    zip.on('error', reject);
    zip.on('end', () => resolve(undefined));
    zip.on('entry', (entry: Entry) => {
      if (entry.fileName === member) resolve(entry);
      else zip.readEntry();
    });
    zip.readEntry();
  });
}
