import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { FolderStore } from './folder.store.ts';

it('lets nobody write to what it keeps', async () => {
  const root = await mkdtemp(join(tmpdir(), 'solopo-artifacts-'));
  try {
    const store = await FolderStore.open(root);
    const { digest } = await store.put(Buffer.from('some content'));
    expect((await stat(store.path(digest))).mode & 0o777).toBe(0o444);
  } finally {
    await rm(root, { recursive: true });
  }
});

it('sees a byte that was turned while size and time of the file stayed what they were', async () => {
  const root = await mkdtemp(join(tmpdir(), 'solopo-artifacts-'));
  try {
    const store = await FolderStore.open(root);
    const { digest } = await store.put(Buffer.from('some content'));
    await store.demandWhole(digest);
    const path = store.path(digest);
    const { atime, mtime } = await stat(path);
    await chmod(path, 0o644);
    const file = await open(path, 'r+');
    await file.write(Buffer.from('S'), 0, 1, 0);
    await file.close();
    await utimes(path, atime, mtime);
    await expect(store.demandWhole(digest)).rejects.toMatchObject({ code: 'artifact-damaged' });
  } finally {
    await rm(root, { recursive: true });
  }
});

it.skipIf(!existsSync('/proc/self/io'))('reads a file for its digest once, however often it is asked for', async () => {
  const root = await mkdtemp(join(tmpdir(), 'solopo-artifacts-'));
  const bytesRead = () => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
  const content = Buffer.alloc(64 << 20, 'x');
  try {
    const { digest } = await (await FolderStore.open(root)).put(content);
    const store = await FolderStore.open(root);
    const before = bytesRead();
    const asked = [store.demandWhole(digest), store.materialize({ file: digest }), store.demandWhole(digest)];
    await Promise.all(asked);
    await store.demandWhole(digest);
    expect(bytesRead() - before).toBeGreaterThanOrEqual(content.length);
    expect(bytesRead() - before).toBeLessThan(1.9 * content.length);
  } finally {
    await rm(root, { recursive: true });
  }
});

it('on a full disk says so, asks for as much as was not enough, and is well again when there is room', async (context) => {
  const MB = 1 << 20;
  const run = promisify(execFile);
  const disk = await mkdtemp(join(tmpdir(), 'solopo-disk-'));
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]).catch(() => undefined);
  if (mounted === undefined) {
    await rm(disk, { recursive: true });
    return context.skip('only root can make a small disk');
  }
  try {
    const store = await FolderStore.open(disk);
    await store.demandRoom();
    const full = { code: 'store-full', message: expect.stringMatching(/is full.*; make room/) as string };
    const { digest } = await store.put(randomBytes(8 * MB));
    await expect(store.put(randomBytes(60 * MB))).rejects.toMatchObject(full);
    await expect(store.demandRoom()).rejects.toMatchObject(full);
    // An upload that waits beside the artifacts, as a data set does.
    const import60MB = store.scratch((path) =>
      pipeline(Readable.from([randomBytes(60 * MB)]), createWriteStream(path)),
    );
    await expect(import60MB).rejects.toMatchObject(full);
    expect(await readdir(join(disk, 'partial'))).toEqual([]);
    expect(await store.put(randomBytes(MB))).toMatchObject({ bytes: MB });
    await expect(store.demandRoom()).rejects.toMatchObject(full);
    await rm(store.path(digest));
    await run('mount', ['-o', 'remount,size=256m', disk]);
    await store.demandRoom();
  } finally {
    await run('umount', ['-l', disk]);
    await rm(disk, { recursive: true });
  }
});

it.each([1_000.0004, 1_000.0006])(
  'removes what was stored at %s s: a file’s time is finer than a date',
  async (seconds) => {
    const root = await mkdtemp(join(tmpdir(), 'solopo-artifacts-'));
    try {
      const store = await FolderStore.open(root);
      const { digest } = await store.put(Buffer.from('some content'));
      await utimes(store.path(digest), seconds, seconds);
      for await (const kept of store.list()) expect(await store.remove(kept)).toBe(true);
      expect(existsSync(store.path(digest))).toBe(false);
    } finally {
      await rm(root, { recursive: true });
    }
  },
);
