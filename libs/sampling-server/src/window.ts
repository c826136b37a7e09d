/** What comes back together of one overload counts as one. */
const ONE_OVERLOAD_MS = 1000;

/**
 * How many requests are under way: one more with every windowful that the server answers, half as many when it says that it has too
 * much (Chiu and Jain 1989: additive increase, multiplicative decrease).
 */
export class Window {
  #size: number;
  #busy = 0;
  #shrunkAt = -Infinity;
  #change = Promise.withResolvers<void>();

  constructor(readonly largest: number) {
    this.#size = largest;
  }

  get size(): number {
    return Math.floor(this.#size);
  }

  /** Waits until one more may begin. */
  async room(): Promise<void> {
    while (this.#busy >= this.size) await this.#change.promise;
  }

  /** Begins at once. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      const result = await work();
      this.#size = Math.min(this.largest, this.#size + 1 / this.#size);
      return result;
    } finally {
      this.#busy -= 1;
      this.#change.resolve();
      this.#change = Promise.withResolvers();
    }
  }

  shrink(): void {
    const now = performance.now();
    if (now - this.#shrunkAt < ONE_OVERLOAD_MS) return;
    this.#shrunkAt = now;
    this.#size = Math.max(1, this.#size / 2);
  }
}
