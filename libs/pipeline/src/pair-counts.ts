import { SolopoError } from '@solopo/contracts';
import type { StageResult } from './run-facts.ts';

/** What every pair stage must report. */
export interface PairCounts {
  /** Training pairs. */
  readonly pairs: number;
  /** Pairs set aside for the alignment metrics. */
  readonly heldOut: number;
}

export function pairCountsOf(result: StageResult | null | undefined): PairCounts {
  const { pairs, heldOut } = result ?? {};
  if (typeof pairs !== 'number' || typeof heldOut !== 'number')
    throw new SolopoError(
      'internal',
      'A pair stage was finished without its counts { pairs, heldOut }; report this as a defect.',
    );
  return { pairs, heldOut };
}
