import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { sha256 } from '@solopo/contracts';
import { startS3, whyNoS3, type TestS3 } from '@solopo/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseBucketUrl, type BucketLocation } from './bucket.location.ts';
import { BucketStore } from './bucket.store.ts';
import { Bucket } from './bucket.ts';
import { CacheFolder } from './cache.folder.ts';
import { write } from './content.folder.ts';
import { startProxy } from './testing/proxy.fixture.ts';

const WHY_NOT = whyNoS3();
const PATIENCE = { attempts: 3, idleMs: 5000 };
const MB = 1e6;

let server: TestS3;
let root: string;
const proxies: Awaited<ReturnType<typeof startProxy>>[] = [];

beforeAll(async () => {
  if (WHY_NOT === undefined) server = await startS3();
});
afterAll(() => server?.stop());
beforeEach(async (context) => {
  if (WHY_NOT !== undefined) context.skip(WHY_NOT);
  root = await mkdtemp(join(tmpdir(), 'solopo-bucket-'));
});
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop();
  await rm(root, { recursive: true, force: true });
});

function locationOf({ settings }: TestS3 = server, changes: Partial<BucketLocation> = {}): BucketLocation {
  const { artifacts, artifactsEndpoint, artifactsAccessKey, artifactsSecretKey } = settings;
  return {
    ...parseBucketUrl(`${artifacts}/${randomUUID()}`),
    endpoint: artifactsEndpoint,
    region: undefined,
    pathStyle: true,
    keys: { accessKeyId: artifactsAccessKey, secretAccessKey: artifactsSecretKey },
    ...changes,
  };
}

/** As one machine has it. */
async function storeAt(location: BucketLocation, machine = 'machine', cacheBytes = 100 * MB): Promise<BucketStore> {
  const cache = await CacheFolder.open(join(root, machine), cacheBytes);
  return BucketStore.open(new Bucket(location, PATIENCE), cache);
}

/** Between a store and the server. */
async function proxied() {
  const proxy = await startProxy(server.port);
  proxies.push(proxy);
  return proxy;
}

async function cachedAt(machine = 'machine'): Promise<string[]> {
  const entries = await readdir(join(root, machine, 'content'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const shown = (store: BucketStore, digest: string) =>
  store.materialize({ file: digest }).then((folder) => readFile(join(folder, 'file')));

describe('a store in a bucket', () => {
  it('gives one machine what another one put, in parts where it is large', async () => {
    const location = locationOf();
    const content = randomBytes(20 * MB);
    const { digest } = await (await storeAt(location, 'one')).put(content);
    const other = await storeAt(location, 'two');
    expect((await shown(other, digest)).equals(content)).toBe(true);
    expect((await buffer(await other.open(digest))).equals(content)).toBe(true);
    expect(await cachedAt('two')).toEqual([digest]);
  });

  it('downloads an artifact once, whoever asks for it at the same time, and not again', async () => {
    const proxy = await proxied();
    const location = locationOf();
    const { digest } = await (await storeAt(location, 'one')).put(randomBytes(3 * MB));
    const other = await storeAt({ ...location, endpoint: proxy.url }, 'two');
    await Promise.all([shown(other, digest), shown(other, digest), other.materialize({ a: digest, b: digest })]);
    await shown(other, digest);
    expect(proxy.asked.filter((line) => line.includes(digest)).map((line) => line.split(' ')[0])).toEqual([
      'HEAD',
      'GET',
    ]);
  });

  it('goes on with a download where the connection broke', async () => {
    const proxy = await proxied();
    const location = locationOf();
    const content = randomBytes(3 * MB);
    const { digest } = await (await storeAt(location, 'one')).put(content);
    const other = await storeAt({ ...location, endpoint: proxy.url }, 'two');
    proxy.trouble.breakAfter = MB;
    expect((await shown(other, digest)).equals(content)).toBe(true);
    const [range, ...more] = proxy.asked.filter((line) => /^range/i.test(line));
    expect(more).toEqual([]);
    expect(Number(/bytes=(\d+)-$/.exec(range ?? '')?.[1])).toBeGreaterThan(MB / 2);
  });

  it('goes on with what a process left that was stopped halfway', async () => {
    const proxy = await proxied();
    const location = locationOf();
    const content = randomBytes(3 * MB);
    const { digest } = await (await storeAt(location, 'one')).put(content);
    const other = await storeAt({ ...location, endpoint: proxy.url }, 'two');
    const cache = await CacheFolder.open(join(root, 'two'), 100 * MB);
    const partial = await cache.begin(digest);
    await write(partial, content.subarray(0, MB));
    await cache.leave(partial);
    expect((await shown(other, digest)).equals(content)).toBe(true);
    expect(proxy.asked.filter((line) => /^range/i.test(line))).toEqual([
      expect.stringMatching(new RegExp(`bytes=${MB}-$`)) as string,
    ]);
    expect(await readdir(join(root, 'two', 'partial'))).toEqual([]);
  });

  it('fetches again, once, what came with another digest, and names what is damaged in the bucket', async () => {
    const proxy = await proxied();
    const location = locationOf();
    const one = await storeAt(location, 'one');
    const { digest } = await one.put(Buffer.from('the whole truth'));
    const other = await storeAt({ ...location, endpoint: proxy.url }, 'two');
    proxy.trouble.replace = ['whole truth', 'wh0le truth'];
    expect((await shown(other, digest)).toString()).toBe('the whole truth');
    const gets = () => proxy.asked.filter((line) => line.startsWith('GET') && line.includes(digest)).length;
    expect(gets()).toBe(2);

    const { digest: short } = await one.put(Buffer.from('another truth'));
    const [file] = (await readdir(server.objects, { recursive: true })).filter((name) => name.endsWith(short));
    await truncate(join(server.objects, file ?? ''), 4);
    await expect(shown(other, short)).rejects.toMatchObject({ code: 'artifact-damaged' });
    expect(await readdir(join(root, 'two', 'partial'))).toEqual([]);
    await one.put(Buffer.from('another truth'));
    expect((await shown(other, short)).toString()).toBe('another truth');
  });

  it('reads an object to its end before it gives it away the first time, and then no more', async () => {
    const proxy = await proxied();
    const location = locationOf();
    const content = randomBytes(MB);
    const { digest } = await (await storeAt(location, 'one')).put(content);
    const other = await storeAt({ ...location, endpoint: proxy.url }, 'two');
    const gets = () => proxy.asked.filter((line) => line.startsWith('GET') && line.includes(digest)).length;
    expect((await buffer(await other.open(digest))).equals(content)).toBe(true);
    expect(gets()).toBe(2);
    expect((await buffer(await other.open(digest))).equals(content)).toBe(true);
    expect(gets()).toBe(3);
    expect(await cachedAt('two')).toEqual([]);
  });

  it('takes what is given away by a machine whose clock is an hour off', async () => {
    const location = locationOf();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    try {
      const store = await storeAt(location);
      const { digest } = await store.put(Buffer.from('late'));
      expect(await store.size(digest)).toBe(4);
    } finally {
      vi.useRealTimers();
    }
  });

  it('drops the parts of uploads that were killed halfway', async () => {
    const location = locationOf();
    const client = new S3Client({
      endpoint: location.endpoint ?? '',
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: location.keys as NonNullable<typeof location.keys>,
    });
    const at = { Bucket: location.bucket, Key: `${location.prefix}ab/killed` };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
    await client.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'half of it' }));
    const left = async () =>
      (await client.send(new ListMultipartUploadsCommand({ Bucket: location.bucket, Prefix: location.prefix })))
        .Uploads;
    const bucket = new Bucket(location, PATIENCE);
    await bucket.dropAbandoned();
    expect(await left()).toMatchObject([{ UploadId }]);
    await bucket.dropAbandoned(-60_000);
    expect((await left()) ?? []).toEqual([]);
  });
});

describe('the cache of a store in a bucket', () => {
  const KB = 1000;

  async function digestsOf(store: BucketStore, count: number): Promise<string[]> {
    const digests = [];
    for (let i = 0; i < count; i++) digests.push((await store.put(randomBytes(100 * KB))).digest);
    return digests;
  }

  it('keeps to its size: what was used longest ago goes first', async () => {
    const location = locationOf();
    const [a = '', b = '', c = '', d = ''] = await digestsOf(await storeAt(location, 'one'), 4);
    const other = await storeAt(location, 'two', 350 * KB);
    for (const digest of [a, b, c, a, d]) await shown(other, digest);
    expect((await cachedAt('two')).sort()).toEqual([a, c, d].sort());
    expect(await shown(other, b)).toHaveLength(100 * KB);
  });

  it('never drops what is in use, by this process or another one, and says when that is too much', async () => {
    const location = locationOf();
    const [a = '', b = '', c = '', d = ''] = await digestsOf(await storeAt(location, 'one'), 4);
    const mine = await storeAt(location, 'two', 250 * KB);
    const others = await storeAt(location, 'two', 250 * KB);
    await mine.during(() =>
      others.during(async () => {
        const folder = await mine.materialize({ file: a });
        await others.materialize({ file: b });
        await expect(mine.materialize({ file: c })).rejects.toMatchObject({
          code: 'cache-full',
          message: expect.stringMatching(/in use\. Raise SOLOPO_ARTIFACTS_CACHE_MB/) as string,
        });
        expect(await readFile(join(folder, 'file'))).toHaveLength(100 * KB);
      }),
    );
    expect((await cachedAt('two')).sort()).toEqual([a, b].sort());
    await mine.during(async () => {
      await mine.materialize({ file: c, other: d });
      expect((await cachedAt('two')).sort()).toEqual([c, d].sort());
    });
    expect(await readdir(join(root, 'two', 'held'))).toEqual([]);
  });

  it('has no room for what is larger than itself, put or downloaded', async () => {
    const location = locationOf();
    const { digest } = await (await storeAt(location, 'one')).put(randomBytes(3 * MB));
    const small = await storeAt(location, 'two', MB);
    await expect(small.materialize({ file: digest })).rejects.toMatchObject({ code: 'cache-full' });
    await expect(small.put(randomBytes(3 * MB))).rejects.toMatchObject({ code: 'cache-full' });
    expect(await readdir(join(root, 'two', 'partial'))).toEqual([]);
  });
});

describe('a store in a bucket that cannot be used says why, and what to do', () => {
  it('a wrong secret, an unknown key, a bucket that is not there', async () => {
    const keys = locationOf().keys as NonNullable<BucketLocation['keys']>;
    await expect(
      storeAt(locationOf(server, { keys: { ...keys, secretAccessKey: 'something else' } })),
    ).rejects.toMatchObject({
      code: 'store-refused',
      message: expect.stringMatching(/SOLOPO_ARTIFACTS_SECRET_KEY/) as string,
    });
    await expect(storeAt(locationOf(server, { keys: { ...keys, accessKeyId: 'nobody' } }))).rejects.toMatchObject({
      code: 'store-refused',
      message: expect.stringMatching(/SOLOPO_ARTIFACTS_ACCESS_KEY/) as string,
    });
    await expect(storeAt(locationOf(server, { bucket: 'no-such-bucket' }))).rejects.toMatchObject({
      code: 'store-refused',
      message: expect.stringMatching(/s3:\/\/no-such-bucket\/.*make the bucket/) as string,
    });
  });

  it('a server that is away: what was put is there when it is back, and what was fetched still serves', async () => {
    const away = await startS3();
    try {
      const location = locationOf(away);
      const store = await storeAt(location);
      const { digest } = await store.put(Buffer.from('kept'));
      await away.kill();
      const fault = { code: 'not-ready', message: expect.stringMatching(/does not answer .*ECONNREFUSED/) as string };
      await expect(store.has(digest)).rejects.toMatchObject(fault);
      await expect(store.put(Buffer.from('more'))).rejects.toMatchObject(fault);
      await expect(storeAt(location, 'two')).rejects.toMatchObject(fault);
      expect((await shown(store, digest)).toString()).toBe('kept');
      expect(await readdir(join(root, 'machine', 'partial'))).toEqual([]);
      await away.restart();
      expect((await shown(await storeAt(location, 'two'), digest)).toString()).toBe('kept');
      expect(await store.put(Buffer.from('more'))).toMatchObject({ bytes: 4 });
    } finally {
      await away.stop();
    }
  });

  it('a full disk under the server, for a small object and for one in parts', async (context) => {
    const disk = join(root, 'disk');
    await mkdir(disk);
    const run = promisify(execFile);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).catch(() => undefined);
    if (mounted === undefined) return context.skip('only root can make a small disk');
    const full = await startS3({ dataDir: disk });
    try {
      const store = await storeAt(locationOf(full));
      for (const megabytes of [6, 20])
        await expect(store.put(randomBytes(megabytes * MB))).rejects.toMatchObject({
          code: 'store-full',
          message: expect.stringMatching(/make room or raise its quota/) as string,
        });
      await expect(store.demandRoom()).rejects.toMatchObject({ code: 'store-full' });
      expect(await cachedAt()).toEqual([]);
      expect(await store.put(randomBytes(MB))).toMatchObject({ bytes: MB });
    } finally {
      await full.stop();
      await run('umount', ['-l', disk]);
    }
  });
});

it('names every artifact by its key: ab/abcd…, as in the folder of a store', async () => {
  const location = locationOf();
  const { digest } = await (await storeAt(location)).put(Buffer.from('x'));
  expect(digest).toBe(sha256('x'));
  const key = `${location.prefix}${digest.slice(0, 2)}/${digest}`;
  const prefix = parseBucketUrl(server.settings.artifacts).prefix;
  expect((await readFile(join(server.objects, key.slice(prefix.length)))).toString()).toBe('x');
});
