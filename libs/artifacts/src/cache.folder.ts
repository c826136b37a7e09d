import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SolopoError } from '@solopo/contracts';
import { ContentFolder, exists } from './content.folder.ts';
import { DEAD_MS, Holds } from './holds.ts';

/** What is asked for beyond what is written already, so that not every piece asks. */
const STEP_BYTES = 64 << 20;

interface Entry {
  readonly path: string;
  readonly bytes: number;
  readonly usedAt: number;
}

/**
 * Copies of artifacts on this machine, up to a size: what was used longest ago goes first, and never what is in use. Several
 * processes may share it.
 *
 *     content/, folders/, partial/    as in a store
 *     held/                           what is in use
 *     used/                           when it was used last: what is kept is touched by nobody, or its change could not be told
 */
export class CacheFolder {
  /** What files that this process writes will take. */
  readonly #reserved = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly content: ContentFolder,
    readonly holds: Holds,
    private readonly maxBytes: number,
  ) {}

  static async open(root: string, maxBytes: number): Promise<CacheFolder> {
    const content = await ContentFolder.open(root);
    await mkdir(join(content.root, 'used'), { recursive: true });
    return new CacheFolder(content, await Holds.open(content.root), maxBytes);
  }

  get name(): string {
    return `${this.content.root} of ${megabytes(this.maxBytes)}`;
  }

  /** Whether the artifact is here, and whole; it counts as used now. */
  async use(digest: string): Promise<boolean> {
    if (!(await this.content.isWhole(digest))) return false;
    // On a full disk it counts as used when it came.
    await this.#markUsed(digest).catch(() => undefined);
    return true;
  }

  /** Where to write an artifact that is to come: the file of a process that stopped halfway, where there is one. */
  async begin(digest: string): Promise<string> {
    const mine = this.content.partial(digest);
    for (const { path, usedAt } of await this.#partials()) {
      if (!path.startsWith(join(this.content.root, 'partial', `${digest}.`)) || Date.now() - usedAt < DEAD_MS) continue;
      // Another process may have been faster.
      const isMine = await rename(path, mine).then(
        () => true,
        () => false,
      );
      if (!isMine) continue;
      const now = new Date();
      await utimes(mine, now, now);
      break;
    }
    return mine;
  }

  /**
   * Makes room for the file to become so large.
   *
   * @throws SolopoError `cache-full` where what is in use leaves too little
   */
  async reserve(partial: string, bytes: number): Promise<void> {
    const turn = this.#turn.then(() => this.#makeRoom(partial, bytes));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** For a file whose size is not known yet: room for so much, and for a little more where there is. */
  async grow(partial: string, bytes: number): Promise<void> {
    if ((this.#reserved.get(partial) ?? 0) >= bytes) return;
    const more = Math.min(STEP_BYTES, this.maxBytes / 16);
    await this.reserve(partial, bytes + more).catch(() => this.reserve(partial, bytes));
  }

  async keep(partial: string, digest: string): Promise<void> {
    await this.content.keep(partial, digest);
    this.#reserved.delete(partial);
  }

  async discard(partial: string): Promise<void> {
    await rm(partial, { force: true });
    this.#reserved.delete(partial);
  }

  /** Leaves the file as it is, for whoever begins it next. */
  async leave(partial: string): Promise<void> {
    const idle = new Date(Date.now() - 2 * DEAD_MS);
    await utimes(partial, idle, idle).catch(() => undefined);
    this.#reserved.delete(partial);
  }

  async #makeRoom(partial: string, bytes: number): Promise<void> {
    const before = this.#reserved.get(partial);
    if ((before ?? 0) >= bytes) return;
    this.#reserved.set(partial, bytes);
    const [artifacts, partials] = [await this.#artifacts(), await this.#partials()];
    const others = partials.filter(({ path }) => !this.#reserved.has(path));
    const reserved = [...this.#reserved.values()].reduce((total, size) => total + size, 0);
    let over = reserved + totalOf(artifacts) + totalOf(others) - this.maxBytes;
    if (over <= 0) return;
    const held = await this.holds.all();
    const spare = [
      ...others.filter(({ usedAt }) => Date.now() - usedAt > DEAD_MS).map((entry) => ({ ...entry, digest: undefined })),
      ...artifacts.filter(({ digest }) => !held.has(digest)).sort((a, b) => a.usedAt - b.usedAt),
    ];
    for (const { path, bytes: freed, digest } of spare) {
      if (over <= 0) return;
      if (await this.#remove(path, digest)) over -= freed;
    }
    if (over <= 0) return;
    if (before === undefined) this.#reserved.delete(partial);
    else this.#reserved.set(partial, before);
    throw new SolopoError(
      'cache-full',
      `The artifact cache ${this.name} has no room for ${megabytes(bytes)}: ${megabytes(over)} too much beside what is in use. Raise SOLOPO_ARTIFACTS_CACHE_MB, and the disk under it.`,
    );
  }

  /** False where somebody began to use it just now. */
  async #remove(path: string, digest: string | undefined): Promise<boolean> {
    if (digest === undefined) {
      await rm(path, { force: true });
      return true;
    }
    const aside = this.content.partial();
    const isThere = await rename(path, aside).then(
      () => true,
      () => false,
    );
    // Another process was faster.
    if (!isThere) return true;
    if (!(await this.holds.all()).has(digest)) {
      await rm(aside, { force: true });
      await rm(this.#used(digest), { force: true });
      return true;
    }
    if (await exists(path)) await rm(aside, { force: true });
    else await rename(aside, path);
    return false;
  }

  async #artifacts(): Promise<(Entry & { readonly digest: string })[]> {
    const files = await readdir(join(this.content.root, 'content'), { recursive: true, withFileTypes: true });
    const found = await Promise.all(
      files.filter((file) => file.isFile()).map(({ parentPath, name }) => entryOf(join(parentPath, name), name)),
    );
    return Promise.all(
      found
        .filter((entry) => entry !== undefined)
        .map(async (entry) => {
          const used = await stat(this.#used(entry.digest)).catch(() => undefined);
          return { ...entry, usedAt: Math.max(entry.usedAt, used?.mtimeMs ?? 0) };
        }),
    );
  }

  async #markUsed(digest: string): Promise<void> {
    await writeFile(this.#used(digest), '');
    const now = new Date();
    await utimes(this.#used(digest), now, now);
  }

  #used(digest: string): string {
    return join(this.content.root, 'used', digest);
  }

  async #partials(): Promise<Entry[]> {
    const folder = join(this.content.root, 'partial');
    const found = await Promise.all((await readdir(folder)).map((name) => entryOf(join(folder, name), name)));
    return found.filter((entry) => entry !== undefined);
  }
}

/** Undefined where it is gone, or a folder of links. */
async function entryOf(path: string, digest: string): Promise<(Entry & { readonly digest: string }) | undefined> {
  const file = await stat(path).catch(() => undefined);
  return file?.isFile() === true ? { path, digest, bytes: file.size, usedAt: file.mtimeMs } : undefined;
}

function totalOf(entries: readonly Entry[]): number {
  return entries.reduce((total, { bytes }) => total + bytes, 0);
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
