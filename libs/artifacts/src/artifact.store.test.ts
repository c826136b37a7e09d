import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { sha256 } from '@solopo/contracts';
import { spawnSource } from '@solopo/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArtifactStore } from './artifact.store.ts';

let root: string;
let store: ArtifactStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'solopo-artifacts-'));
  store = await ArtifactStore.open(root);
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** Names of everything in the store but its top folders. */
async function everything(): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

describe('ArtifactStore', () => {
  it('names content by its SHA-256, whether a buffer or a stream', async () => {
    const digest = sha256('some content');
    expect(await store.put(Buffer.from('some content'))).toEqual({ digest, bytes: 12 });
    expect(await store.put(Readable.from([Buffer.from('some '), Buffer.from('content')]))).toEqual({
      digest,
      bytes: 12,
    });
    expect(await everything()).toEqual([digest]);
    expect(await store.has(digest)).toBe(true);
    expect(await text(await store.open(digest))).toBe('some content');
    expect((await store.read(digest)).toString()).toBe('some content');
    expect(await store.size(digest)).toBe(12);
    expect((await stat(store.path(digest))).mode & 0o777).toBe(0o444);
  });

  it('keeps chunks of any size, also where the source uses its memory again', async () => {
    const content = randomBytes((5 << 20) + 7);
    async function* chunks(): AsyncGenerator<Uint8Array> {
      await Promise.resolve();
      const memory = Buffer.alloc(3 << 20);
      for (let at = 0, size = 1; at < content.length; at += size, size = Math.min(7 * size, memory.length))
        yield memory.subarray(0, content.copy(memory, 0, at, at + size));
    }
    const digest = sha256(content);
    expect(await store.put(chunks(), digest)).toEqual({ digest, bytes: content.length });
    expect(await store.put(content)).toEqual({ digest, bytes: content.length });
    expect((await store.read(digest)).equals(content)).toBe(true);
  });

  it('refuses content of another digest than promised', async () => {
    const promised = sha256('promised');
    await expect(store.put(Buffer.from('something else'), promised)).rejects.toMatchObject({ code: 'input-invalid' });
    expect(await everything()).toEqual([]);
    expect(await store.put(Buffer.from('promised'), promised)).toMatchObject({ digest: promised });
  });

  it('keeps nothing of a source that fails', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a beginning');
      await Promise.resolve();
      throw new Error('the client went away');
    }
    await expect(store.put(failing())).rejects.toThrow('the client went away');
    expect(await everything()).toEqual([]);
  });

  it('shows nothing of a writer killed halfway, and clears its remains a day later', async () => {
    const child = spawnSource(new URL('./crash.fixture.ts', import.meta.url), [root]);
    await child.line('halfway');
    child.kill();
    await child.exited;

    const [partial] = await everything();
    expect(await readdir(join(root, 'content'))).toEqual([]);
    expect(await readFile(join(root, 'partial', partial ?? ''), 'utf8')).toMatch(/^(first half, ){1000}/);
    await ArtifactStore.open(root);
    expect(await everything()).toEqual([partial]);
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    await utimes(join(root, 'partial', partial ?? ''), twoDaysAgo, twoDaysAgo);
    await ArtifactStore.open(root);
    expect(await everything()).toEqual([]);
  });

  it('finds damage when it reads', async () => {
    const { digest } = await store.put(Buffer.from('whole'));
    await chmod(store.path(digest), 0o644);
    await writeFile(store.path(digest), 'wh0le');
    await expect(store.read(digest)).rejects.toThrow(/damaged/);
  });

  it('says what is missing or malformed', async () => {
    await expect(store.read(sha256('never stored'))).rejects.toMatchObject({ code: 'not-found' });
    await expect(store.open(sha256('never stored'))).rejects.toMatchObject({ code: 'not-found' });
    expect(() => store.path('../../etc/passwd')).toThrow(/not an artifact digest/);
  });

  it('shows artifacts in a folder under their names, once, also to callers at the same time', async () => {
    const config = await store.put(Buffer.from('{}'));
    const weights = await store.put(Buffer.from('weights'));
    const files = { 'config.json': config.digest, 'model-00001-of-00001.safetensors': weights.digest };
    const folders = await Promise.all(Array.from({ length: 8 }, () => store.materialize(files)));
    expect(new Set(folders).size).toBe(1);
    const folder = folders[0] ?? '';
    expect((await readdir(folder)).sort()).toEqual(Object.keys(files));
    expect(await readFile(join(folder, 'model-00001-of-00001.safetensors'), 'utf8')).toBe('weights');
    expect(await readdir(join(root, 'partial'))).toEqual([]);
  });

  it('makes no folder with a missing artifact or a name that leaves it', async () => {
    const { digest } = await store.put(Buffer.from('x'));
    await expect(store.materialize({ 'a.json': sha256('missing') })).rejects.toMatchObject({ code: 'not-found' });
    await expect(store.materialize({ '../escape': digest })).rejects.toMatchObject({ code: 'input-invalid' });
    await expect(store.materialize({ '..': digest })).rejects.toMatchObject({ code: 'input-invalid' });
    expect(await readdir(join(root, 'folders'))).toEqual([]);
    expect(await readdir(join(root, 'partial'))).toEqual([]);
  });
});
