/** A batch takes no more than this part of the time there is. */
const BATCHES = 8;

/** How much to take up at a time, from how long the last took: the first is as small as can be. */
export class Pace {
  readonly #sliceMs: number;
  readonly #now: () => number;
  readonly #started: number;
  #msPerToken: number | undefined;

  /** Without `sliceMs` there is no hurry. */
  constructor(sliceMs = Infinity, now: () => number = () => performance.now()) {
    this.#sliceMs = sliceMs;
    this.#now = now;
    this.#started = now();
  }

  /** The time is over: begin nothing. */
  get isOver(): boolean {
    return this.#leftMs() <= 0;
  }

  /** Tokens, padding counted, that the next batch has time for. */
  get tokens(): number {
    if (this.#sliceMs === Infinity) return Infinity;
    if (this.#msPerToken === undefined) return 0;
    return Math.min(this.#sliceMs / BATCHES, this.#leftMs()) / this.#msPerToken;
  }

  async measured<T>(tokens: number, work: () => Promise<T>): Promise<T> {
    const from = this.#now();
    const result = await work();
    this.#msPerToken = (this.#now() - from) / tokens;
    return result;
  }

  #leftMs(): number {
    return this.#sliceMs - (this.#now() - this.#started);
  }
}
