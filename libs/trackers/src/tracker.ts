import type { TrackedRun } from '@solopo/ledger';

/** Figures that belong together: of a gradient step with its seconds by phase, of a policy version on held-out pairs, of an evaluation. */
export interface Entry {
  /** `train/120`, `held_out/50`, `accuracy/8_documents/50`: what a tracker has, it is not given again. */
  readonly key: string;
  readonly step: number;
  readonly at: Date;
  readonly values: Readonly<Record<string, number>>;
}

/** What a tracker has of a run. */
export interface Tracked {
  /** The last gradient step: they come in order. */
  readonly step: number;
  /** Keys of all other entries. */
  readonly keys: ReadonlySet<string>;
}

/** Keeps runs where people look at them. It says itself what it has, so no restart loses or doubles a point. */
export interface Tracker {
  readonly name: string;
  open(run: TrackedRun): Promise<Tracked>;
  /** Returns when they are safe. All of an entry is kept or nothing. */
  write(run: TrackedRun, entries: readonly Entry[]): Promise<void>;
  /** There is nothing more to come. */
  end(run: TrackedRun): Promise<void>;
}

export const TRAIN = 'train';
/** Where a gradient step's time went; a part of its entry. */
export const PHASES = 'phase_seconds';
export const HELD_OUT = 'held_out';
export const ACCURACY = 'accuracy';

/** Whether a figure of this name is of a gradient step. */
export const isOfStep = (name: string): boolean => name.startsWith(`${TRAIN}/`) || name.startsWith(`${PHASES}/`);
