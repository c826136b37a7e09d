import { statfs } from 'node:fs/promises';
import { SolopoError } from '@solopo/contracts';

/** Of a disk that has less, nothing is asked. */
const LEAST_BYTES = 16 << 20;

/** What is left on the disk of a folder, and what was not enough the last time. */
export class Room {
  #refused = 0;

  constructor(
    private readonly folder: string,
    private readonly name: string,
  ) {}

  /** A file had come so far when the disk was full. */
  refused(bytes: number): void {
    this.#refused = Math.max(this.#refused, bytes);
  }

  taken(bytes: number): void {
    if (bytes >= this.#refused) this.#refused = 0;
  }

  /** @throws SolopoError `store-full` where less is left than was not enough */
  async demand(): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder);
    const [left, needed] = [bavail * bsize, this.#refused + LEAST_BYTES];
    if (left >= needed) return;
    throw new SolopoError(
      'store-full',
      `${this.name} is full: ${megabytes(left)} are left, at least ${megabytes(needed)} are needed; make room, or give it a larger disk. What waits for it goes on by itself.`,
    );
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
