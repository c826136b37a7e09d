// One side of a comparison whose sides take turns: a program that stays, and does a round of work for each line that it reads.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ENVIRONMENT } from './child.mjs';

/**
 * It says `{"ready":true}`; then, to each round as a line of JSON, `{"seconds":S}`; and when there are no more, `{"peakBytes":B}`. What
 * else it prints is not read.
 */
export class Side {
  #child;
  #lines;
  seconds = [];

  constructor(command, args, env = {}) {
    this.what = [command, ...args].join(' ');
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...ENVIRONMENT, ...env } });
    this.#child.on('error', () => undefined); // The missing answer tells it.
    this.#child.stdin.on('error', () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ready() {
    await this.#answer();
  }

  /** Its seconds are kept, unless it is a warm-up. */
  async round(work, { warmUp = false } = {}) {
    this.#child.stdin.write(`${JSON.stringify(work)}\n`);
    const { seconds } = await this.#answer();
    if (!warmUp) this.seconds.push(seconds);
  }

  async close() {
    this.#child.stdin.end();
    ({ peakBytes: this.peakBytes } = await this.#answer());
  }

  kill() {
    this.#child.kill();
  }

  get best() {
    return Math.min(...this.seconds);
  }

  get median() {
    return this.seconds.toSorted((a, b) => a - b)[this.seconds.length >> 1];
  }

  async #answer() {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.what} ended before it answered`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }
}
