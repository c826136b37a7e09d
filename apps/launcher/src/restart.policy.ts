const QUICK_MS = 10_000;
/** So many crashes right after a start, one after the other, are no accident. */
const MANY_CRASHES = 5;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;

export interface Crash {
  /** In a row, with this one, each soon after its start. */
  readonly quickCrashes: number;
  /** Before it may start again. */
  readonly waitMs: number;
  /** Whether it is time to tell people, said once in a row. */
  readonly isTelling: boolean;
}

/** When a crashed service may start again: later after each quick crash, up to half a minute. */
export class RestartPolicy {
  #quickCrashes = 0;
  #notBefore = 0;

  crashed(uptimeMs: number, now: number): Crash {
    this.#quickCrashes = uptimeMs < QUICK_MS ? this.#quickCrashes + 1 : 1;
    this.#notBefore = now + Math.min(FIRST_DELAY_MS * 2 ** (this.#quickCrashes - 1), LONGEST_DELAY_MS);
    const isTelling = this.#quickCrashes === MANY_CRASHES;
    return { quickCrashes: this.#quickCrashes, waitMs: this.waitMs(now), isTelling };
  }

  waitMs(now: number): number {
    return Math.max(0, this.#notBefore - now);
  }
}
