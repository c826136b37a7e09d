import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

const PROGRAM = new URL(`./digest.worker${extname(import.meta.url)}`, import.meta.url);

/** The SHA-256 of files by path, each as soon as it is known: another thread reads them once, from now on. */
export class FileDigests {
  readonly #worker: Worker;
  readonly #digests: ReadonlyMap<string, PromiseWithResolvers<string>>;

  constructor(paths: readonly string[]) {
    this.#digests = new Map(paths.map((path) => [path, Promise.withResolvers<string>()]));
    this.#worker = new Worker(PROGRAM, { workerData: paths, execArgv: [] });
    const waiting = this.#digests.values();
    this.#worker.on('message', (digest: string) => waiting.next().value?.resolve(digest));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('The files could not be read to their end; try again.')));
    // Who stops asking hears of no fault.
    for (const { promise } of this.#digests.values()) promise.catch(() => undefined);
  }

  async of(path: string): Promise<string> {
    const digest = this.#digests.get(path);
    if (digest === undefined) throw new Error(`${path} is not among the files that are read.`);
    return digest.promise;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#digests.values()) reject(error);
  }
}
