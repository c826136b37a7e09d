import { SolopoError } from '@solopo/contracts';

/** Log-probabilities of the same tokens by the engine and by the server. */
export interface Measured {
  readonly own: ArrayLike<number>;
  readonly served: ArrayLike<number>;
}

/**
 * What rounding of weights and activations to bfloat16 may do to a token's log-probability, root mean square in nats: a logit between 16
 * and 32 is rounded by up to 1/16 when it is written, beside what came before. `npm run served` shows it for a model.
 */
export const TOLERANCE = 0.15;
/** How far the served change may be from the whole of the adapter's, in shares of it, beside what rounding alone would explain. */
const SHARE = 0.2;
/** Changes smaller than this are not told from none. */
const NO_CHANGE = 1e-6;

export interface AdapterAgreement {
  /** Root mean square of the adapter's change of log-probabilities by the engine, in nats. */
  readonly change: number;
  /** The served change as a share of it, by least squares: 1 for the adapter, 0 for the base model. */
  readonly share: number;
  /** Standard error of the share. */
  readonly uncertainty: number;
}

const rms = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

/** Root mean square of how far the server's log-probabilities are from the engine's, in nats. */
export function distance({ own, served }: Measured): number {
  return rms(Array.from(own, (logp, i) => (served[i] as number) - logp));
}

export function adapterAgreement(base: Measured, policy: Measured): AdapterAgreement {
  const own = Array.from(policy.own, (logp, i) => logp - (base.own[i] as number));
  const served = Array.from(policy.served, (logp, i) => logp - (base.served[i] as number));
  const energy = own.reduce((sum, x) => sum + x * x, 0);
  const share = energy === 0 ? 0 : own.reduce((sum, x, i) => sum + x * (served[i] as number), 0) / energy;
  const rest = rms(own.map((x, i) => (served[i] as number) - share * x));
  return { change: rms(own), share, uncertainty: energy === 0 ? Infinity : rest / Math.sqrt(energy) };
}

/** @throws SolopoError `sampler-mismatch` where the server computes with another model than the run's */
export function demandModel(url: string, name: string, measured: Measured): void {
  const far = distance(measured);
  if (far <= TOLERANCE) return;
  throw new SolopoError(
    'sampler-mismatch',
    `${url} gives tokens other log-probabilities under ${name} than the run's engine does (${far.toFixed(3)} nats apart, where rounding explains ${TOLERANCE}): it has another model, or rounds its weights; serve the run's model, or set sampler.check to none.`,
  );
}

/**
 * The adapter must do on the server what it does in the engine. A server that does not know the names of its modules answers with the base model
 * and says nothing.
 *
 * @throws SolopoError `sampler-mismatch`
 */
export function demandAdapter(url: string, name: string, base: Measured, policy: Measured): AdapterAgreement {
  const agreement = adapterAgreement(base, policy);
  const { change, share, uncertainty } = agreement;
  if (change < NO_CHANGE) return agreement;
  const isBase = Array.from(policy.served).every((logp, i) => logp === base.served[i]);
  const margin = SHARE + 3 * uncertainty;
  if (isBase || (Math.abs(share) <= margin && Math.abs(share - 1) > margin))
    throw new SolopoError(
      'sampler-mismatch',
      `${url} answers for the adapter ${name} as for its base model: the engine's log-probabilities change by ${change.toPrecision(2)} nats, the server's by ${share.toFixed(2)} of that; see whether the server knows the adapter's modules (its log names what it leaves out), then retry the job.`,
    );
  if (Math.abs(share - 1) > margin || distance(policy) > TOLERANCE + change * SHARE)
    throw new SolopoError(
      'sampler-mismatch',
      `${url} serves the adapter ${name} otherwise than it was trained: its change of log-probabilities is ${share.toFixed(2)} of the engine's (${distance(policy).toFixed(3)} nats apart); see whether the server takes all of its modules and its scale, then retry the job.`,
    );
  return agreement;
}
