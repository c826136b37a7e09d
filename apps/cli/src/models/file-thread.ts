import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

/** What another thread tells of files by path, one after another from now on, each as soon as it is known. */
export class FileThread<T> {
  readonly #worker: Worker;
  readonly #told: ReadonlyMap<string, PromiseWithResolvers<T>>;

  /** The program stands beside this one, gets `data`, and posts what it finds in the order of the paths. */
  constructor(program: string, paths: readonly string[], data: unknown) {
    this.#told = new Map(paths.map((path) => [path, Promise.withResolvers<T>()]));
    const url = new URL(`./${program}${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(url, { workerData: data, execArgv: [] });
    const waiting = this.#told.values();
    this.#worker.on('message', (found: T) => waiting.next().value?.resolve(found));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('The files could not be read to their end; try again.')));
    // Who stops asking hears of no fault.
    for (const { promise } of this.#told.values()) promise.catch(() => undefined);
  }

  async of(path: string): Promise<T> {
    const told = this.#told.get(path);
    if (told === undefined) throw new Error(`${path} is not among the files that are read.`);
    return told.promise;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#told.values()) reject(error);
  }
}
