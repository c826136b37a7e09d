interface CountedStep {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly policyTokens: number;
}

/** Adds what a step's place in its run says, as TRL names it: `epoch`, and the tokens run so far, `num_tokens`. */
export class StepCounter {
  #tokens: number;
  readonly #stepsPerEpoch: number;

  /** @param tokens run before the first step that is counted */
  constructor({ tokens, stepsPerEpoch }: { readonly tokens: number; readonly stepsPerEpoch: number }) {
    this.#tokens = tokens;
    this.#stepsPerEpoch = stepsPerEpoch;
  }

  /** Steps come in their order. */
  count({ step, metrics, policyTokens }: CountedStep): Record<string, number> {
    this.#tokens += policyTokens;
    return { ...metrics, epoch: step / this.#stepsPerEpoch, num_tokens: this.#tokens };
  }
}
