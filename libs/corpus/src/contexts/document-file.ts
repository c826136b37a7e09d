import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import type { OwnedDocument, OwnedDocuments } from './document-pool.ts';

/**
 * Documents in a file, so that a pool of any size takes no memory but eight bytes for each of them. The file has no name
 * once it is open: it is gone with the process, however that ends.
 */
export class DocumentFile implements OwnedDocuments {
  readonly #file: number;
  /** Where each document begins, and behind them where the next one will. */
  readonly #starts = [0];

  /** @param path where nothing is yet */
  constructor(path: string) {
    this.#file = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
  }

  get length(): number {
    return this.#starts.length - 1;
  }

  append(documents: readonly OwnedDocument[]): void {
    const pieces = documents.map((document) => Buffer.from(JSON.stringify(document)));
    const whole = Buffer.concat(pieces);
    const start = this.#starts.at(-1)!;
    for (let written = 0; written < whole.length;)
      written += writeSync(this.#file, whole, written, whole.length - written, start + written);
    for (const { length } of pieces) this.#starts.push(this.#starts.at(-1)! + length);
  }

  at(index: number): OwnedDocument | undefined {
    const [start, end] = [this.#starts[index], this.#starts[index + 1]];
    if (start === undefined || end === undefined) return undefined;
    const bytes = Buffer.alloc(end - start);
    readSync(this.#file, bytes, 0, bytes.length, start);
    return JSON.parse(bytes.toString()) as OwnedDocument;
  }

  close(): void {
    closeSync(this.#file);
  }
}
