import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A process that lives touches its marks so often; one whose marks are older than the limit is dead. */
const BEAT_MS = 10_000;
export const DEAD_MS = 60_000;

/**
 * Which artifacts of a folder are in use, told to all processes that share the folder: a file `held/DIGEST.PROCESS` for
 * each.
 */
export class Holds {
  readonly #process = randomUUID();
  readonly #counts = new Map<string, number>();
  readonly #scopes = new AsyncLocalStorage<Set<string>>();
  #beat: NodeJS.Timeout | undefined;

  private constructor(private readonly folder: string) {}

  static async open(root: string): Promise<Holds> {
    const folder = join(root, 'held');
    await mkdir(folder, { recursive: true });
    return new Holds(folder);
  }

  /** What is taken within the work is held until the work is done. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const scope = new Set<string>();
    try {
      return await this.#scopes.run(scope, work);
    } finally {
      for (const digest of scope) await this.#release(digest);
    }
  }

  /** As part of the work that goes on, or as a work of its own. */
  within<T>(work: () => Promise<T>): Promise<T> {
    return this.#scopes.getStore() === undefined ? this.during(work) : work();
  }

  /** Holds the artifact until the end of the work that this is part of. */
  async take(digest: string): Promise<void> {
    const scope = this.#scopes.getStore();
    if (scope === undefined || scope.has(digest)) return;
    scope.add(digest);
    const count = this.#counts.get(digest) ?? 0;
    this.#counts.set(digest, count + 1);
    await this.#write(digest);
    this.#beat ??= setInterval(() => void this.#touch(), BEAT_MS).unref();
  }

  /** What any process that lives holds. */
  async all(): Promise<ReadonlySet<string>> {
    const held = new Set(this.#counts.keys());
    for (const name of await readdir(this.folder)) {
      const [digest = ''] = name.split('.');
      if (held.has(digest)) continue;
      const path = join(this.folder, name);
      const mark = await stat(path).catch(() => undefined);
      if (mark === undefined) continue;
      if (Date.now() - mark.mtimeMs < DEAD_MS) held.add(digest);
      else await rm(path, { force: true });
    }
    return held;
  }

  async #release(digest: string): Promise<void> {
    const count = (this.#counts.get(digest) ?? 0) - 1;
    if (count > 0) {
      this.#counts.set(digest, count);
      return;
    }
    this.#counts.delete(digest);
    await rm(this.#mark(digest), { force: true });
    // Somebody took it meanwhile.
    if (this.#counts.has(digest)) await this.#write(digest);
    if (this.#counts.size > 0) return;
    clearInterval(this.#beat);
    this.#beat = undefined;
  }

  async #touch(): Promise<void> {
    // What cannot be written now is written with the next beat.
    for (const digest of this.#counts.keys()) await this.#write(digest).catch(() => undefined);
  }

  async #write(digest: string): Promise<void> {
    await writeFile(this.#mark(digest), '');
    const now = new Date();
    await utimes(this.#mark(digest), now, now);
  }

  #mark(digest: string): string {
    return join(this.folder, `${digest}.${this.#process}`);
  }
}
