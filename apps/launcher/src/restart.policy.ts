const QUICK_MS = 10_000;
const QUICK_CRASHES_MAX = 5;
const FIRST_DELAY_MS = 250;

/** When a crashed service may start again: later after each quick crash, and never after the fifth in a row. */
export class RestartPolicy {
  #quickCrashes = 0;
  #notBefore = 0;

  /** False when it is time to give up. */
  crashed(uptimeMs: number, now: number): boolean {
    this.#quickCrashes = uptimeMs < QUICK_MS ? this.#quickCrashes + 1 : 1;
    this.#notBefore = now + FIRST_DELAY_MS * 2 ** (this.#quickCrashes - 1);
    return this.#quickCrashes < QUICK_CRASHES_MAX;
  }

  waitMs(now: number): number {
    return Math.max(0, this.#notBefore - now);
  }
}
