/** Where a step's time goes. */
export type StepPhase = 'data' | 'reference' | 'forward' | 'loss' | 'backward' | 'optimizer';

export type PhaseSeconds = Readonly<Record<string, number>>;

/** Gives time to phases: each lap, what has passed since the one before it. */
export class PhaseClock<Phase extends string> {
  readonly #seconds: Record<string, number> = {};
  #last = performance.now();

  lap(phase: Phase): void {
    const now = performance.now();
    this.#seconds[phase] = (this.#seconds[phase] ?? 0) + (now - this.#last) / 1000;
    this.#last = now;
  }

  get seconds(): PhaseSeconds {
    return { ...this.#seconds };
  }
}
