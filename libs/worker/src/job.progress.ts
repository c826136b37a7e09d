import type { JobContext } from '@solopo/bus';
import { STAGE_WORK, type StageKind } from '@solopo/contracts';
import type { Progress } from '@solopo/engine';

export interface ToldWork {
  readonly kind: StageKind;
  /** Items of the job. */
  readonly total: number;
  /** How many items are done with so many of what the engine counts; as many where nothing says. */
  readonly itemsAt?: (count: number) => number;
}

/** What the engine tells while it works, as a job's progress: it is loading, or so many of the items are done. */
export function tellJob(
  context: JobContext,
  { kind, total, itemsAt = (count) => count }: ToldWork,
): (progress: Progress) => void {
  const { phase, unit } = STAGE_WORK[kind];
  let steps = 0;
  // The engine is started, and then loads: it tells when it is through.
  void context.advanced({ phase: 'loading', done: 0, total, unit });
  return (progress) => {
    if (progress.kind === 'loading') return void context.advanced({ phase: 'loading' });
    const count = progress.kind === 'step' ? (steps += 1) : progress.count;
    void context.advanced({ phase, done: Math.min(total, Math.floor(itemsAt(count))), total, unit });
  };
}
