import { mkdtemp, rm, stat } from 'node:fs/promises';
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
