import { randomBytes } from 'node:crypto';
import { chmod, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { sha256 } from '@solopo/contracts';
import { spawnSource, whyNoS3 } from '@solopo/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactStore, KeptArtifact } from './artifact.store.ts';
import { openArtifacts } from './open-artifacts.ts';
import { KINDS, Places, type Place } from './testing/store.fixture.ts';

describe.each(KINDS)('an artifact store in a %s', (kind) => {
  const missing = kind === 'bucket' ? whyNoS3() : undefined;
  const places = new Places(kind);
  let place: Place;
  let store: ArtifactStore;

  beforeAll(async () => {
    if (missing === undefined) await places.start();
  });
  afterAll(() => places.stop());
  beforeEach(async (context) => {
    if (missing !== undefined) context.skip(missing);
    place = await places.make();
    store = await openArtifacts(place.settings);
  });

  it('names content by its SHA-256, whether a buffer or a stream', async () => {
    const digest = sha256('some content');
    expect(await store.put(Buffer.from('some content'))).toEqual({ digest, bytes: 12 });
    expect(await store.put(Readable.from([Buffer.from('some '), Buffer.from('content')]))).toEqual({
      digest,
      bytes: 12,
    });
    expect(await place.files()).toEqual([digest]);
    expect(await store.has(digest)).toBe(true);
    expect(await text(await store.open(digest))).toBe('some content');
    expect(await store.size(digest)).toBe(12);
  });

  it('keeps nothing at all under the digest of nothing', async () => {
    const digest = sha256('');
    expect(await store.put(Readable.from([]))).toEqual({ digest, bytes: 0 });
    expect(await store.size(digest)).toBe(0);
    expect(await text(await store.open(digest))).toBe('');
    const folder = await store.materialize({ empty: digest });
    expect(await readFile(join(folder, 'empty'), 'utf8')).toBe('');
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
    expect((await buffer(await store.open(digest))).equals(content)).toBe(true);
  });

  it('refuses content of another digest than promised', async () => {
    const promised = sha256('promised');
    await expect(store.put(Buffer.from('something else'), promised)).rejects.toMatchObject({ code: 'input-invalid' });
    expect(await place.files()).toEqual([]);
    expect(await store.put(Buffer.from('promised'), promised)).toMatchObject({ digest: promised });
  });

  it('keeps nothing of a source that fails', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a beginning');
      await Promise.resolve();
      throw new Error('the client went away');
    }
    await expect(store.put(failing())).rejects.toThrow('the client went away');
    expect(await place.files()).toEqual([]);
  });

  it('shows nothing of a writer killed halfway, and clears its remains a day later', async () => {
    const child = spawnSource(new URL('./crash.fixture.ts', import.meta.url), [JSON.stringify(place.settings)]);
    await child.line('halfway');
    child.kill();
    await child.exited;

    const [partial = '', ...more] = await place.files();
    expect(more).toEqual([]);
    const path = join(place.folder, 'partial', partial);
    expect(await readFile(path, 'utf8')).toMatch(/^(first half, ){1000}/);
    await openArtifacts(place.settings);
    expect(await place.files()).toEqual([partial]);
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    await utimes(path, twoDaysAgo, twoDaysAgo);
    await openArtifacts(place.settings);
    expect(await place.files()).toEqual([]);
  });

  it('finds damage before it gives a byte away, and is whole again when the content is put again', async () => {
    const { digest } = await store.put(Buffer.from('whole'));
    await place.damage(digest, 'wh0le');
    const damaged = { code: 'artifact-damaged', message: expect.stringContaining(digest) as string };
    await expect(store.open(digest)).rejects.toMatchObject(damaged);
    await expect(store.demandWhole(digest)).rejects.toMatchObject(damaged);
    await store.put(Buffer.from('whole'));
    expect(await text(await store.open(digest))).toBe('whole');
    await store.demandWhole(digest);
  });

  it('finds damage of what it has read before', async () => {
    const { digest } = await store.put(Buffer.from('whole'));
    expect(await text(await store.open(digest))).toBe('whole');
    await place.damage(digest, 'whole, and more');
    await expect(store.open(digest)).rejects.toMatchObject({ code: 'artifact-damaged' });
  });

  it('shows no artifact that is damaged on this machine: one of a folder is refused, one of a cache fetched again', async () => {
    const { digest } = await store.put(Buffer.from('weights'));
    const files = { 'model.safetensors': digest };
    const folder = await store.materialize(files);
    await overwrite(join(place.folder, 'content', digest.slice(0, 2), digest), 'we1ghts');
    if (kind === 'folder')
      await expect(store.materialize(files)).rejects.toMatchObject({
        code: 'artifact-damaged',
        message: expect.stringContaining(`${digest} (model.safetensors) is damaged`) as string,
      });
    else expect(await store.materialize(files)).toBe(folder);
    await store.put(Buffer.from('weights'));
    expect(await readFile(join(await store.materialize(files), 'model.safetensors'), 'utf8')).toBe('weights');
  });

  it('shows what was asked for, whatever somebody did to the folder of links', async () => {
    const [one, other] = [await store.put(Buffer.from('one')), await store.put(Buffer.from('other'))];
    const files = { 'config.json': one.digest };
    const folder = await store.materialize(files);
    const link = join(folder, 'config.json');
    await rm(link);
    await symlink(join(place.folder, 'content', other.digest.slice(0, 2), other.digest), link);
    expect(await readFile(join(await store.materialize(files), 'config.json'), 'utf8')).toBe('one');
    await writeFile(join(folder, 'adapter_config.json'), '{}');
    expect(await readdir(await store.materialize(files))).toEqual(['config.json']);
  });

  it('says what is missing or malformed', async () => {
    const never = sha256('never stored');
    expect(await store.has(never)).toBe(false);
    await expect(store.open(never)).rejects.toMatchObject({ code: 'not-found' });
    await expect(store.size(never)).rejects.toMatchObject({ code: 'not-found' });
    await expect((async () => store.has('../../etc/passwd'))()).rejects.toThrow(/not an artifact digest/);
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
    expect(await readdir(join(place.folder, 'partial'))).toEqual([]);
  });

  it('makes no folder with a missing artifact or a name that leaves it', async () => {
    const { digest } = await store.put(Buffer.from('x'));
    await expect(store.materialize({ 'a.json': sha256('missing') })).rejects.toMatchObject({ code: 'not-found' });
    await expect((async () => store.materialize({ '../escape': digest }))()).rejects.toMatchObject({
      code: 'input-invalid',
    });
    await expect(store.materialize({ '..': digest })).rejects.toMatchObject({ code: 'input-invalid' });
    expect(await readdir(join(place.folder, 'folders'))).toEqual([]);
    expect(await readdir(join(place.folder, 'partial'))).toEqual([]);
  });

  it('lists what there is, and removes what is asked for, unless it was stored again since', async () => {
    const contents = ['one', 'two', 'three'];
    for (const content of contents) await store.put(Buffer.from(content));
    const listed = new Map<string, KeptArtifact>();
    for await (const kept of store.list()) listed.set(kept.digest, kept);
    expect([...listed.keys()].sort()).toEqual(contents.map((content) => sha256(content)).sort());
    const [one, two] = [listed.get(sha256('one'))!, listed.get(sha256('two'))!];
    expect(one.bytes).toBe(3);
    expect(Math.abs(Date.now() - one.storedAt.getTime())).toBeLessThan(3_600_000);
    expect(await store.remove(one)).toBe(true);
    expect(await store.remove(one)).toBe(false);
    await expect(store.demandWhole(one.digest)).rejects.toMatchObject({ code: 'not-found' });
    expect(await store.remove({ ...two, storedAt: new Date(two.storedAt.getTime() - 1000) })).toBe(false);
    expect(await text(await store.open(two.digest))).toBe('two');
    expect((await place.files()).sort()).toEqual([sha256('three'), two.digest].sort());
  });

  it('gives a file of one’s own for the time of some work', async () => {
    const path = await store.scratch(async (mine) => {
      await expect(readFile(mine)).rejects.toThrow(/ENOENT/);
      return mine;
    });
    expect(path.startsWith(join(place.folder, 'partial'))).toBe(true);
    expect(await store.during(() => Promise.resolve('done'))).toBe('done');
  });
});

async function overwrite(path: string, content: string): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, content);
}
