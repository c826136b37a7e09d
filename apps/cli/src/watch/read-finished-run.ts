import type { ApiClient } from '../client/api.client.ts';
import type { RunView } from '../client/api.views.ts';
import type { FinishedRun } from '../demo/demo.result.ts';

export async function readFinishedRun(api: ApiClient, run: RunView): Promise<FinishedRun> {
  const [evaluations, alignments, steps] = await Promise.all([
    api.evaluations(run.id),
    api.alignments(run.id),
    api.steps(run.id),
  ]);
  return { run, evaluations, alignments, steps };
}
