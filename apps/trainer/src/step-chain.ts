import { digestOf } from '@solopo/contracts';
import type { NewStep } from '@solopo/ledger';

export interface ChainedStep {
  readonly step: number;
  readonly pairDigests: readonly string[];
  /** Summed reference log-probabilities that the step read, by pair and row. */
  readonly reference: readonly Readonly<Record<string, number>>[];
  readonly metrics: Readonly<Record<string, number>>;
  /** Digest of the parameters, where the step is a slice's last. */
  readonly parameters?: string;
}

/**
 * Each step's digest covers the one before it, its pairs, what it read of the reference, the configuration, the engine and
 * the resulting numbers. Equal heads mean equal data, configuration and parameters; names and times are not in it.
 */
export function chainSteps(
  previousDigest: string,
  setting: { readonly config: unknown; readonly engine: string },
  steps: readonly ChainedStep[],
): NewStep[] {
  const config = digestOf(setting.config);
  let previous = previousDigest;
  return steps.map(({ step, pairDigests, reference, metrics, parameters }) => {
    const digest = digestOf({
      previous,
      step,
      pairs: pairDigests,
      reference,
      metrics,
      parameters,
      config,
      engine: setting.engine,
    });
    const link = { step, digest, previousDigest: previous, pairDigests, metrics };
    previous = digest;
    return link;
  });
}
