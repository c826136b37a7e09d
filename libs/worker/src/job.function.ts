import type { StageKind, StageSpecOf } from '@solopo/contracts';
import type { JobContext } from '@solopo/bus';
import type { LedgerTransaction } from '@solopo/ledger';
import type { ChunkRange } from '@solopo/workflow';

/** A job with what it is part of. */
export interface Work<K extends StageKind> {
  readonly stage: string;
  readonly spec: StageSpecOf<K>;
  /** Items to work on: examples, questions or pairs in their order; steps, for `train`. */
  readonly range: ChunkRange;
  /** The first item of the job's chunk: before the range where earlier jobs did some of it. */
  readonly start: number;
  /** How many such items the whole stage has; training pairs, for `train`. */
  readonly items: number;
}

/** What a job leaves behind: written, with the next jobs, in one transaction. */
export interface Effects {
  write(tx: LedgerTransaction): Promise<void>;
  /** Counts, added up over the stage's chunks; in records, too. What is no count stands as it is. */
  readonly result: Readonly<Record<string, unknown>>;
  /** How many of the range's items were done, where the job's time was over before them all; the next job does the rest. */
  readonly itemsDone?: number;
}

/** One kind of job. Stateless: the same work gives the same effects, wherever and however often it is executed. */
export interface JobFunction<K extends StageKind> {
  /** Whether its effects are artifacts too: then it waits while their store is full, rather than compute in vain. */
  readonly storesArtifacts?: boolean;
  execute(work: Work<K>, context: JobContext): Promise<Effects>;
}
