import type { JobContext } from '@solopo/bus';
import type { Progress } from '@solopo/engine';

/** What the engine tells while it works, as a job's progress: so many of the units are done. */
export function tellJob(context: JobContext, unit: string, total: number): (progress: Progress) => void {
  let steps = 0;
  return (progress) => {
    const done = progress.kind === 'step' ? (steps += 1) : progress.count;
    void context.advanced({ done, total, unit });
  };
}
