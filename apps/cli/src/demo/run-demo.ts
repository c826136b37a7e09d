import type { ApiClient } from '../client/api.client.ts';
import { digestOf, runConfigSchema } from '@solopo/contracts';
import type { ModelView, NewRun, RunView } from '../client/api.views.ts';
import { describeDataset } from '../report/dataset.report.ts';
import { whole } from '../report/numbers.ts';
import type { Progress } from '../progress/progress.ts';
import type { DemoOptions } from './demo.options.ts';
import type { DemoPlan, ModelTools } from './demo.plan.ts';
import { demoResult, type DemoResult } from './demo.result.ts';
import { cancelRuns, followRuns } from './follow-runs.ts';
import { readFinishedRun } from '../watch/read-finished-run.ts';
import { withModelFolder } from '../models/model-folder.ts';
import { registerModel } from '../models/register-model.ts';

export interface DemoTools {
  readonly api: ApiClient;
  readonly say: (line: string) => void;
  readonly openProgress: () => Progress;
  readonly signal: AbortSignal;
}

/**
 * Registers the model and the data, starts every arm at once, and waits. What has been started is cancelled when it cannot end well,
 * unless the plan says that it is gone on with later.
 */
export async function runDemo(
  plan: DemoPlan,
  options: DemoOptions,
  { api, say, openProgress, signal }: DemoTools,
): Promise<DemoResult> {
  const started = performance.now();
  const { training, evaluation, settings } = plan;

  const model = await modelOf(plan, api, { say, signal });
  say(`Model ${model.name}: ${whole(model.parameters)} parameters (${model.digest.slice(0, 12)})`);
  const dataset = await api.createDataset(training);
  say(describeDataset(dataset));
  const questions = await api.createDataset(evaluation);
  say(describeDataset(questions));

  const ids: string[] = [];
  let finished: RunView[];
  try {
    for (const arm of plan.arms) {
      const wanted: NewRun = {
        ...settings,
        name: arm,
        arm,
        model: model.digest,
        dataset: dataset.digest,
        evaluation: { ...settings.evaluation, dataset: questions.digest },
      };
      const before = plan.isResumed ? await runBefore(api, wanted) : undefined;
      if (before) say(`Run ${arm}: ${before.state === 'succeeded' ? 'done before' : 'goes on where it was'}`);
      const run = before ?? (await api.createRun(wanted));
      ids.push(run.id);
    }
    say(`${ids.length === 1 ? 'Run' : 'Runs'} ${plan.arms.join(', ')} started\n`);
    finished = await follow(api, ids, { progress: openProgress(), say, signal });
  } catch (error) {
    if (!plan.isResumed) await cancelRuns(api, ids);
    throw error;
  }

  const runs = await Promise.all(finished.map((run) => readFinishedRun(api, run)));
  const rows = await api.ledgerCounts();
  const { quick, seed } = options;
  const corpus = options.real ? '2wiki' : options.corpus;
  const seconds = (performance.now() - started) / 1000;
  return demoResult({ corpus, quick, seed, seconds, model, runs, rows });
}

async function modelOf(
  { modelName, madeOf, openModel }: DemoPlan,
  api: ApiClient,
  tools: ModelTools,
): Promise<ModelView> {
  const there = madeOf === undefined ? [] : await api.models();
  const registered = there.find(({ name, source }) => name === modelName && source?.sha256 === madeOf);
  return registered ?? withModelFolder(openModel(tools), (folder) => registerModel(api, modelName, folder));
}

/** One of the same configuration that has not ended ill. */
async function runBefore(api: ApiClient, wanted: NewRun): Promise<RunView | undefined> {
  const digest = digestOf(runConfigSchema.parse(wanted));
  for (const { id, state, config } of await api.runs()) {
    if (config.name !== wanted.name || (state !== 'running' && state !== 'succeeded')) continue;
    const run = await api.run(id);
    if (digestOf(run.config) === digest) return run;
  }
  return undefined;
}

async function follow(
  api: ApiClient,
  ids: readonly string[],
  {
    progress,
    ...rest
  }: { readonly progress: Progress; readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<RunView[]> {
  try {
    return await followRuns(api, ids, { watch: (runs) => progress.show(runs), ...rest });
  } finally {
    progress.close();
  }
}
