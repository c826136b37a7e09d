import type { StageSpec } from '@solopo/contracts';
import type { LedgerTransaction, StageRecord } from '@solopo/ledger';
import {
  chunkRange,
  chunksOf,
  pairCountsOf,
  sliceRange,
  slicesOf,
  stepsOf,
  type ChunkRange,
  type PairCounts,
} from '@solopo/pipeline';

/**
 * How many items a stage works on: examples, questions or pairs. Known when its inputs are done.
 * For `train` these are the training pairs, and its chunks are slices of steps. For `replay` they are slices, a chunk each.
 */
export async function itemsOf(tx: LedgerTransaction, spec: StageSpec): Promise<number> {
  switch (spec.kind) {
    case 'compose':
      return (await tx.datasets.require(spec.dataset)).examples;
    case 'sample':
      return itemsOfStage(tx, spec.compose);
    case 'pair':
      return itemsOfStage(tx, spec.sample);
    case 'score': {
      const { pairs, heldOut } = await pairCounts(tx, spec.pair);
      return spec.split === 'training' ? pairs : heldOut;
    }
    case 'train':
      return (await pairCounts(tx, spec.pair)).pairs;
    case 'align':
      return (await pairCounts(tx, spec.pair)).heldOut;
    case 'evaluate':
      return Math.min((await tx.datasets.require(spec.dataset)).examples, spec.questions ?? Infinity);
    case 'replay':
      return spec.slices.length;
  }
}

export function chunkCount(spec: StageSpec, items: number): number {
  if (spec.kind === 'replay') return items;
  return spec.kind === 'train' ? slicesOf(spec.training, items) : chunksOf(spec.kind, items);
}

/** What the stage's chunks are ranges of: its items; steps, for `train`. */
export function unitsOf(spec: StageSpec, items: number): number {
  return spec.kind === 'train' ? stepsOf(spec.training, items) : items;
}

/** Items [from, to) of a chunk; steps, for `train`. */
export function rangeOf(
  { spec, chunks }: Pick<StageRecord, 'spec' | 'chunks'>,
  chunk: number,
  items: number,
): ChunkRange {
  if (spec.kind === 'replay') return { from: chunk, to: chunk + 1 };
  return spec.kind === 'train' ? sliceRange(spec.training, chunk, items) : chunkRange(spec.kind, chunk, items, chunks);
}

async function itemsOfStage(tx: LedgerTransaction, digest: string): Promise<number> {
  return itemsOf(tx, (await tx.stages.require(digest)).spec);
}

async function pairCounts(tx: LedgerTransaction, pairStage: string): Promise<PairCounts> {
  return pairCountsOf((await tx.stages.require(pairStage)).result);
}
