import { digestOf, type StageSpecOf } from '@solopo/contracts';

export interface ChainedStep {
  readonly step: number;
  readonly pairDigests: readonly string[];
  /** Summed reference log-probabilities that the step read, by pair and row. */
  readonly reference: readonly Readonly<Record<string, number>>[];
  readonly metrics: Readonly<Record<string, number>>;
  /** Digest of the parameters, where the step is a slice's last. */
  readonly parameters?: string;
  /** Digest of the optimiser's state, where the parameters' is; chains of earlier versions have none. */
  readonly optimizer?: string;
}

export interface ChainLink {
  readonly step: number;
  readonly digest: string;
  readonly previousDigest: string;
  readonly pairDigests: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly engine: string;
}

export interface ChainSetting {
  readonly config: unknown;
  /** The engine's fingerprint. */
  readonly engine: string;
}

/**
 * Each step's digest covers the one before it, its pairs, what it read of the reference, the configuration, the engine and
 * the resulting numbers. Equal heads mean equal data, configuration, parameters and state of the optimiser; names and times
 * are not in it.
 */
export function chainSteps(
  previousDigest: string,
  { config, engine }: ChainSetting,
  steps: readonly ChainedStep[],
): ChainLink[] {
  const configDigest = digestOf(config);
  let previous = previousDigest;
  return steps.map(({ step, pairDigests, reference, metrics, parameters, optimizer }) => {
    const digest = digestOf({
      previous,
      step,
      pairs: pairDigests,
      reference,
      metrics,
      parameters,
      optimizer,
      config: configDigest,
      engine,
    });
    const link = { step, digest, previousDigest: previous, pairDigests, metrics, engine };
    previous = digest;
    return link;
  });
}

/** What the chain says of the configuration: all of the stage but which run it is, and its pairs, which each step names. */
export function chainConfig(spec: StageSpecOf<'train'>): Omit<StageSpecOf<'train'>, 'kind' | 'run' | 'pair'> {
  const { kind: _kind, run: _run, pair: _pair, ...config } = spec;
  return config;
}
