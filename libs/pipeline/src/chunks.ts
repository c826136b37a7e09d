import type { StageKind, TrainingConfig } from '@solopo/contracts';
import { Random } from '@solopo/random';

/**
 * Items in one job: examples, contexts, pairs or questions. Stages without a size are one job. Behind today's size those
 * of earlier versions: a stage keeps the chunks that it was made with.
 */
const CHUNK_SIZES = {
  compose: [300, 500],
  sample: [250],
  pair: null,
  score: [250],
  align: null,
  evaluate: [250],
} as const satisfies Record<Exclude<StageKind, 'train' | 'replay'>, readonly [number, ...number[]] | null>;

export type ChunkedKind = keyof typeof CHUNK_SIZES;

/** Items [from, to) of a stage's work. */
export interface ChunkRange {
  readonly from: number;
  readonly to: number;
}

export function chunksOf(kind: ChunkedKind, items: number): number {
  return chunksOfSize(items, CHUNK_SIZES[kind]?.[0] ?? null);
}

/** Items of one of a stage's `chunks`. */
export function chunkRange(kind: ChunkedKind, chunk: number, items: number, chunks: number): ChunkRange {
  const sizes: readonly number[] = CHUNK_SIZES[kind] ?? [];
  const size = sizes.find((each) => chunksOfSize(items, each) === chunks) ?? items;
  return { from: Math.min(items, chunk * size), to: Math.min(items, (chunk + 1) * size) };
}

function chunksOfSize(items: number, size: number | null): number {
  return size === null ? 1 : Math.max(1, Math.ceil(items / size));
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

/** So many of the slices that are done, all where there are fewer: which ones follows from the seed. */
export function drawSlices(seed: number, done: number, count: number): number[] {
  const slices = Array.from({ length: done }, (_, slice) => slice);
  return new Random('replay', seed).sample(slices, Math.min(count, done)).sort((a, b) => a - b);
}
