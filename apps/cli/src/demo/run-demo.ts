import type { ApiClient } from '../client/api.client.ts';
import type { RunView } from '../client/api.views.ts';
import { describeDataset } from '../report/dataset.report.ts';
import { whole } from '../report/numbers.ts';
import type { Progress } from '../progress/progress.ts';
import type { DemoOptions } from './demo.options.ts';
import type { DemoPlan } from './demo.plan.ts';
import { demoResult, type DemoResult } from './demo.result.ts';
import { cancelRuns, followRuns } from './follow-runs.ts';
import { readFinishedRun } from '../watch/read-finished-run.ts';
import { registerModel } from '../models/register-model.ts';

export interface DemoTools {
  readonly api: ApiClient;
  readonly say: (line: string) => void;
  readonly openProgress: () => Progress;
  readonly signal: AbortSignal;
}

/** Registers the model and the data, starts every arm at once, and waits. What has been started is cancelled when it cannot end well. */
export async function runDemo(
  plan: DemoPlan,
  options: DemoOptions,
  { api, say, openProgress, signal }: DemoTools,
): Promise<DemoResult> {
  const started = performance.now();
  const { modelName, training, evaluation, settings } = plan;

  const model = await withModel(plan, (folder) => registerModel(api, modelName, folder));
  say(`Model ${model.name}: ${whole(model.parameters)} parameters (${model.digest.slice(0, 12)})`);
  const dataset = await api.createDataset(training);
  say(describeDataset(dataset));
  const questions = await api.createDataset(evaluation);
  say(describeDataset(questions));

  const ids: string[] = [];
  let finished: RunView[];
  try {
    for (const arm of plan.arms) {
      const run = await api.createRun({
        ...settings,
        name: arm,
        arm,
        model: model.digest,
        dataset: dataset.digest,
        evaluation: { ...settings.evaluation, dataset: questions.digest },
      });
      ids.push(run.id);
    }
    say(`${ids.length === 1 ? 'Run' : 'Runs'} ${plan.arms.join(', ')} started\n`);
    finished = await follow(api, ids, openProgress(), signal);
  } catch (error) {
    await cancelRuns(api, ids);
    throw error;
  }

  const runs = await Promise.all(finished.map((run) => readFinishedRun(api, run)));
  const rows = await api.ledgerCounts();
  const { corpus, quick, seed } = options;
  return demoResult({ corpus, quick, seed, seconds: (performance.now() - started) / 1000, runs, rows });
}

async function withModel<T>(plan: DemoPlan, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await plan.openModel();
  try {
    return await use(folder.path);
  } finally {
    await folder.dispose();
  }
}

async function follow(
  api: ApiClient,
  ids: readonly string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<RunView[]> {
  try {
    return await followRuns(api, ids, (runs) => progress.show(runs), signal);
  } finally {
    progress.close();
  }
}
