import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { SolopoError } from '@solopo/contracts';
import {
  ArtifactStore,
  demandExpected,
  missing,
  type ArtifactSource,
  type KeptArtifact,
  type StoredArtifact,
} from './artifact.store.ts';
import type { Bucket } from './bucket.ts';
import type { CacheFolder } from './cache.folder.ts';
import { demandFileName, write } from './content.folder.ts';
import { diskFault } from './disk.fault.ts';
import { Room } from './room.ts';
import { damaged, hasDigest, verified } from './verified.ts';

/** Downloads at the same time, of one caller. */
const AT_ONCE = 4;
/** A bucket does not tell what is left in it: after it was full it is asked again so much later. */
const FULL_PAUSE_MS = 60_000;

/** The store in a bucket, with copies of what is used here in a folder of this machine: nothing else need be shared. */
export class BucketStore extends ArtifactStore {
  readonly #fetching = new Map<string, Promise<void>>();
  /** What the objects were that had their digests when they were read last. */
  readonly #whole = new Map<string, string>();
  readonly #room: Room;
  #full: { readonly fault: SolopoError; readonly at: number } | undefined;

  private constructor(
    private readonly bucket: Bucket,
    private readonly cache: CacheFolder,
  ) {
    super();
    this.#room = new Room(cache.content.root, 'The artifact cache');
  }

  /** Refuses a bucket that is not there or does not let us in. */
  static async open(bucket: Bucket, cache: CacheFolder): Promise<BucketStore> {
    await bucket.check();
    // Whoever must not list or drop them has a rule of the bucket for that.
    await bucket.dropAbandoned().catch(() => undefined);
    return new BucketStore(bucket, cache);
  }

  describe(): string {
    return `${this.bucket.name}, cache ${this.cache.name}`;
  }

  async demandRoom(): Promise<void> {
    if (this.#full !== undefined && Date.now() - this.#full.at < FULL_PAUSE_MS) throw this.#full.fault;
    await this.#room.demand();
  }

  async has(digest: string): Promise<boolean> {
    return (await this.bucket.size(digest)) !== undefined;
  }

  async size(digest: string): Promise<number> {
    const bytes = await this.bucket.size(digest);
    if (bytes === undefined) throw missing(digest);
    return bytes;
  }

  /** By way of the cache: the key is known when the content has been read, and an upload that fails halfway reads again. */
  async put(source: ArtifactSource, expected?: string): Promise<StoredArtifact> {
    const partial = this.cache.content.partial();
    try {
      const stored = await write(partial, source, (bytes) => this.cache.grow(partial, bytes));
      demandExpected(stored.digest, expected);
      await this.#upload(stored, partial);
      await this.cache.keep(partial, stored.digest);
      return stored;
    } catch (error) {
      await this.cache.discard(partial);
      throw this.#diskFault(error);
    }
  }

  async demandWhole(digest: string): Promise<void> {
    await this.#demandWhole(digest);
  }

  async open(digest: string): Promise<Readable> {
    const content = this.bucket.content(digest, await this.#demandWhole(digest));
    return Readable.from(verified(content, digest), { objectMode: false });
  }

  async materialize(files: Readonly<Record<string, string>>): Promise<string> {
    for (const name of Object.keys(files)) demandFileName(name);
    return this.cache.holds.within(async () => {
      const digests = [...new Set(Object.values(files))];
      const lines = Array.from({ length: AT_ONCE }, async () => {
        for (let digest = digests.pop(); digest !== undefined; digest = digests.pop()) await this.#bring(digest);
      });
      // All of them, since what is taken later would be held for ever.
      for (const line of await Promise.allSettled(lines)) if (line.status === 'rejected') throw line.reason;
      return this.cache.content.show(files);
    });
  }

  during<T>(work: () => Promise<T>): Promise<T> {
    return this.cache.holds.during(work);
  }

  list(): AsyncIterable<KeptArtifact> {
    return this.bucket.list();
  }

  async remove({ digest, storedAt }: KeptArtifact): Promise<boolean> {
    const now = await this.bucket.describe(digest);
    if (now === undefined || now.storedAt.getTime() > storedAt.getTime()) return false;
    await this.bucket.remove(digest);
    this.#whole.delete(digest);
    return true;
  }

  async scratch<T>(work: (path: string) => Promise<T>): Promise<T> {
    try {
      return await this.cache.content.scratch(work);
    } catch (error) {
      throw this.#diskFault(error);
    }
  }

  async #upload({ digest, bytes }: StoredArtifact, path: string): Promise<void> {
    try {
      await this.bucket.write(digest, path, bytes);
      this.#full = undefined;
    } catch (error) {
      if (error instanceof SolopoError && error.code === 'store-full') this.#full = { fault: error, at: Date.now() };
      throw error;
    }
  }

  /** Returns its bytes. What came damaged is read once more. */
  async #demandWhole(digest: string): Promise<number> {
    const found = await this.bucket.describe(digest);
    if (found === undefined) throw missing(digest);
    const { bytes, identity } = found;
    if (this.#whole.get(digest) !== identity) {
      const isWhole = () => hasDigest(this.bucket.content(digest, bytes), digest);
      if (!(await isWhole()) && !(await isWhole())) throw damaged(digest);
      this.#whole.set(digest, identity);
    }
    return bytes;
  }

  /** Onto this machine, for whoever asks: callers at the same time wait for one download. */
  async #bring(digest: string): Promise<void> {
    await this.cache.holds.take(digest);
    if (await this.cache.use(digest)) return;
    let fetching = this.#fetching.get(digest);
    if (fetching === undefined) {
      fetching = this.#fetch(digest).finally(() => this.#fetching.delete(digest));
      this.#fetching.set(digest, fetching);
    }
    await fetching;
  }

  /** What came damaged is fetched once more. */
  async #fetch(digest: string): Promise<void> {
    const bytes = await this.size(digest);
    if (!(await this.#download(digest, bytes)) && !(await this.#download(digest, bytes))) throw damaged(digest);
  }

  /** False where the content is not what its digest says. What is there of it stays for the next attempt where it breaks off. */
  async #download(digest: string, bytes: number): Promise<boolean> {
    const partial = await this.cache.begin(digest);
    try {
      await this.cache.reserve(partial, bytes);
      const have = await stat(partial).then(
        ({ size }) => size,
        () => 0,
      );
      const stored = await write(partial, this.bucket.content(digest, bytes, have));
      if (stored.digest !== digest) {
        await this.cache.discard(partial);
        return false;
      }
      await this.cache.keep(partial, digest);
      return true;
    } catch (error) {
      await this.cache.leave(partial);
      throw this.#diskFault(error);
    }
  }

  get #cacheName(): string {
    return `The artifact cache ${this.cache.name}`;
  }

  #diskFault(error: unknown): unknown {
    return diskFault(error, this.#cacheName);
  }
}
