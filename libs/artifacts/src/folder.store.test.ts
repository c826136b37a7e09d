import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, open, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
