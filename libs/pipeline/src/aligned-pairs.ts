import type { StageSpecOf } from '@solopo/contracts';
import { referenceRowsRead, type Row } from '@solopo/objectives';
import { Random } from '@solopo/random';

/** Whether a pair is of the aligned fraction: drawn once, by the run's seed and the pair alone, whatever its slice or epoch. */
export function isAligned(
  { alignment: { fraction }, seed }: Pick<StageSpecOf<'train'>, 'alignment' | 'seed'>,
  pairDigest: string,
): boolean {
  return fraction === 1 || new Random('aligned', seed, pairDigest).chance(fraction);
}

/** The rows of a pair whose reference log-probability training reads. */
export function referenceRowsOf(
  spec: Pick<StageSpecOf<'train'>, 'arm' | 'objective' | 'alignment' | 'seed'>,
  pairDigest: string,
): readonly Row[] {
  return referenceRowsRead(spec, isAligned(spec, pairDigest));
}
