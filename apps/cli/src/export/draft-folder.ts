import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../usage.error.ts';

/** A new folder that is there when `fill` has ended well, and not before. */
export async function withDraftFolder<T>(out: string, fill: (draft: string) => Promise<T>): Promise<T> {
  const folder = resolve(out);
  await demandRoom(folder);
  await mkdir(dirname(folder), { recursive: true });
  const draft = `${folder}.${process.pid}.part`;
  try {
    await mkdir(draft);
    const result = await fill(draft);
    await rmdir(folder).catch(() => undefined);
    await rename(draft, folder);
    return result;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function demandRoom(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new UsageError(`${folder} is no folder; name another with --out.`, { cause: error });
  });
  if (entries.length > 0) throw new UsageError(`${folder} is not empty; name another folder with --out.`);
}
