import type { StepPhase } from '@solopo/contracts';
import { PhaseClock, type PhaseSeconds, type TakenStep } from '@solopo/engine';

/** Where a slice's time goes: what comes before its first step and after its last is counted as theirs. */
export class SlicePhases {
  readonly #clock = new PhaseClock<StepPhase | 'steps'>();
  readonly #first: number;
  readonly #last: number;

  constructor({ from, to }: { readonly from: number; readonly to: number }) {
    this.#first = from + 1;
    this.#last = to;
  }

  lap(phase: StepPhase | 'steps'): void {
    this.#clock.lap(phase);
  }

  /** Of a step, as far as the slice has come. */
  of({ step, phaseSeconds }: Pick<TakenStep, 'step' | 'phaseSeconds'>): PhaseSeconds {
    const { steps: _steps, checkpoint = 0, ...before } = this.#clock.seconds;
    let sum = phaseSeconds;
    if (step === this.#first) sum = addUp(sum, before);
    if (step === this.#last && checkpoint > 0) sum = addUp(sum, { checkpoint });
    return sum;
  }
}

function addUp(a: PhaseSeconds, b: PhaseSeconds): PhaseSeconds {
  const sum: Record<string, number> = { ...a };
  for (const [phase, seconds] of Object.entries(b)) sum[phase] = (sum[phase] ?? 0) + seconds;
  return sum;
}
