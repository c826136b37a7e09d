import type { TrainingConfig } from '@solopo/contracts';
import { Random } from '@solopo/random';
import { stepsPerEpoch, type ChunkRange } from './chunks.ts';

/**
 * The training pairs, by ordinal, of the steps [from, to) of a run. Each epoch has an order of its own, decided by seed and
 * epoch alone; an epoch's last, partial batch is dropped unless it is its only one.
 */
export function stepBatches(
  training: Pick<TrainingConfig, 'pairsPerStep'>,
  { seed, pairs, from, to }: ChunkRange & { readonly seed: number; readonly pairs: number },
): number[][] {
  const { pairsPerStep } = training;
  const perEpoch = stepsPerEpoch(training, pairs);
  const ordinals = Array.from({ length: pairs }, (_, ordinal) => ordinal);
  const orders = new Map<number, number[]>();
  return Array.from({ length: to - from }, (_, i) => {
    const step = from + i;
    const epoch = Math.floor(step / perEpoch);
    const order = orders.get(epoch) ?? new Random('epoch', seed, epoch).shuffle(ordinals);
    orders.set(epoch, order);
    const start = (step % perEpoch) * pairsPerStep;
    return order.slice(start, start + pairsPerStep);
  });
}
