import type { JobContext } from '@solopo/bus';
import type { Progress } from '@solopo/engine';

/** What the engine tells while it works, as a job's sign of life; what is done of the work is more than that. */
export function tellJob(context: JobContext): (progress: Progress) => void {
  return ({ kind }) => {
    if (kind === 'alive') context.working();
    else context.advanced();
  };
}
