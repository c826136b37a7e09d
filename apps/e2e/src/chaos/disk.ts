import { spawnSync } from 'node:child_process';
import { mkdirSync, statfsSync } from 'node:fs';
import type { Scratch } from '@solopo/testing';

/** A disk of its own, in memory, that can be full at once. */
export class SmallDisk {
  private constructor(private readonly path: string) {}

  /** @returns why there is none, where this process may not have one */
  static mount(path: string, place: Scratch): SmallDisk | string {
    mkdirSync(path, { recursive: true });
    if (process.platform !== 'linux') return 'no disk in memory on this platform';
    const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${WIDE}`, 'tmpfs', path], {
      encoding: 'utf8',
    });
    if (status !== 0) return `no disk may be mounted (${error?.message ?? stderr.trim()})`;
    place.mounts(path);
    return new SmallDisk(path);
  }

  /** To what it holds now. */
  fill(): void {
    const { blocks, bfree, bsize } = statfsSync(this.path);
    this.#resize(String((blocks - bfree + 1) * bsize));
  }

  widen(): void {
    this.#resize(WIDE);
  }

  #resize(size: string): void {
    const { status, stderr } = spawnSync('mount', ['-o', `remount,size=${size}`, this.path], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`The disk could not be made ${size}: ${stderr.trim()}`);
  }
}

const WIDE = '8g';
