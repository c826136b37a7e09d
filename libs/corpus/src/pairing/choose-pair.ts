import type { PairingConfig } from '@solopo/contracts';
import { normalize } from '../normalize.ts';
import { Random } from '@solopo/random';

export interface JudgedSample {
  readonly text: string;
  readonly correct: boolean;
  /** Ended by itself, or by the limit of new tokens. */
  readonly finish: 'stop' | 'length';
}

export const PAIR_REFUSALS = [
  'no-samples',
  'all-right',
  'all-wrong',
  'right-were-cut',
  'all-cut',
  'no-wrong-sample',
  'identical-texts',
] as const;
export type PairRefusal = (typeof PAIR_REFUSALS)[number];

export type PairChoice<S extends JudgedSample> =
  | {
      /** `null`: the gold answer. */
      readonly chosen: S | null;
      /** `null`: there is none. */
      readonly rejected: S | null;
    }
  | { readonly refused: PairRefusal };

export interface PairOptions {
  readonly mode: PairingConfig['mode'];
  /** Refused, a sample that was cut is never chosen. Absent: kept. */
  readonly cutAnswers?: PairingConfig['cutAnswers'] | undefined;
  /** The canonical gold answer. */
  readonly gold: string;
  readonly seed: number;
  /** The example's id: with the seed it fixes the draw. */
  readonly example: string;
}

/**
 * One right and one wrong response of an example, or why there are none. `sampled` draws both from the samples;
 * `gold-chosen` takes the gold answer for the right one. A pair never has the same text twice. `samples` draws one of the samples,
 * right or wrong, and rejects none.
 */
export function choosePair<S extends JudgedSample>(samples: readonly S[], options: PairOptions): PairChoice<S> {
  const { mode, cutAnswers, gold, seed, example } = options;
  const right = samples.filter(({ correct }) => correct);
  const wrong = samples.filter(({ correct }) => !correct);
  if (samples.length === 0) return { refused: 'no-samples' };
  const whole = (of: readonly S[]) => of.filter(({ finish }) => cutAnswers !== 'refuse' || finish === 'stop');
  const random = new Random('pair', seed, example);
  if (mode === 'samples') {
    const drawable = whole(samples);
    return drawable.length === 0 ? { refused: 'all-cut' } : { chosen: random.pick(drawable), rejected: null };
  }
  if (wrong.length === 0) return { refused: mode === 'sampled' ? 'all-right' : 'no-wrong-sample' };
  if (mode === 'sampled' && right.length === 0) return { refused: 'all-wrong' };
  const choosable = whole(right);
  if (mode === 'sampled' && choosable.length === 0) return { refused: 'right-were-cut' };

  const chosen = mode === 'sampled' ? random.pick(choosable) : null;
  const text = normalize(chosen?.text ?? gold);
  const others = wrong.filter((sample) => normalize(sample.text) !== text);
  if (others.length === 0) return { refused: 'identical-texts' };
  return { chosen, rejected: random.pick(others) };
}
