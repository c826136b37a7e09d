import type { StageKind, TrainingConfig } from '@solopo/contracts';

/** Items in one job: examples, contexts, pairs or questions. Stages without a size are one job. */
const CHUNK_SIZE = {
  compose: 500,
  sample: 250,
  pair: null,
  score: 250,
  align: null,
  evaluate: 250,
} as const satisfies Record<Exclude<StageKind, 'train'>, number | null>;

export type ChunkedKind = keyof typeof CHUNK_SIZE;

/** Items [from, to) of a stage's work. */
export interface ChunkRange {
  readonly from: number;
  readonly to: number;
}

export function chunksOf(kind: ChunkedKind, items: number): number {
  const size = CHUNK_SIZE[kind];
  return size === null ? 1 : Math.max(1, Math.ceil(items / size));
}

export function chunkRange(kind: ChunkedKind, chunk: number, items: number): ChunkRange {
  const size = CHUNK_SIZE[kind] ?? items;
  return { from: Math.min(items, chunk * size), to: Math.min(items, (chunk + 1) * size) };
}

/** An epoch's last, partial batch is dropped unless it is the only one. */
export function stepsPerEpoch({ pairsPerStep }: Pick<TrainingConfig, 'pairsPerStep'>, pairs: number): number {
  return Math.max(1, Math.floor(pairs / pairsPerStep));
}

/** Gradient steps of a run. */
export function stepsOf(training: TrainingConfig, pairs: number): number {
  return Math.min(stepsPerEpoch(training, pairs) * training.epochs, training.maxSteps ?? Infinity);
}

export function slicesOf(training: TrainingConfig, pairs: number): number {
  return Math.ceil(stepsOf(training, pairs) / training.stepsPerSlice);
}

/** Steps taken before the slice, and after it. */
export function sliceRange(training: TrainingConfig, slice: number, pairs: number): ChunkRange {
  const steps = stepsOf(training, pairs);
  const { stepsPerSlice } = training;
  return { from: Math.min(steps, slice * stepsPerSlice), to: Math.min(steps, (slice + 1) * stepsPerSlice) };
}
