import type { RunState } from '@solopo/contracts';
import type { TrackedRun } from '@solopo/ledger';
import { MlflowClient, type Metric, type MlflowOptions, type MlflowRun } from './mlflow.client.ts';
import { ACCURACY, HELD_OUT, isOfStep, type Entry, type Tracked, type Tracker } from './tracker.ts';

/** A run's tag there: which run it is here. */
const RUN_TAG = 'solopo_run';
/** At every policy version that was measured: its history says which were. */
const VERSION_METRIC = `${HELD_OUT}/step`;
const METRICS_AT_ONCE = 1000;
const PARAMS_AT_ONCE = 100;
const LONGEST_PARAM = 500;

const STATUS: Readonly<Record<RunState, string>> = {
  running: 'RUNNING',
  succeeded: 'FINISHED',
  failed: 'FAILED',
  cancelled: 'KILLED',
};

/**
 * A run of MLflow for each run. What it has, its metrics say. Points carry the time of the ledger, so one that is sent
 * again after a lost answer is the same point.
 */
export class MlflowTracker implements Tracker {
  readonly name = 'mlflow';
  readonly #client: MlflowClient;
  readonly #runs = new Map<string, string>();
  #experiment: string | undefined;

  constructor(private readonly options: MlflowOptions & { readonly experiment: string }) {
    this.#client = new MlflowClient(options);
  }

  async open(run: TrackedRun): Promise<Tracked> {
    const { info, data } = await this.#require(run);
    this.#runs.set(run.id, info.run_id);
    if (info.status !== STATUS[run.state] && run.state === 'running')
      await this.#client.updateRun(info.run_id, STATUS.running);
    await this.#logParams(info.run_id, run);
    const keys = data.metrics.filter(({ key }) => key.startsWith(`${ACCURACY}/`)).map(({ key }) => key);
    const evaluated = await Promise.all(
      keys.map(async (key) => (await this.#client.stepsOf(info.run_id, key)).map((step) => `${key}/${step}`)),
    );
    const hasVersions = data.metrics.some(({ key }) => key === VERSION_METRIC);
    const versions = hasVersions ? await this.#client.stepsOf(info.run_id, VERSION_METRIC) : [];
    const steps = data.metrics.filter(({ key }) => isOfStep(key)).map(({ step }) => step);
    return {
      step: Math.max(0, ...steps),
      keys: new Set([...evaluated.flat(), ...versions.map((step) => `${HELD_OUT}/${step}`)]),
    };
  }

  async write(run: TrackedRun, entries: readonly Entry[]): Promise<void> {
    const id = this.#runs.get(run.id) ?? (await this.#require(run)).info.run_id;
    let batch: Metric[] = [];
    for (const metrics of entries.map(metricsOf)) {
      if (batch.length + metrics.length > METRICS_AT_ONCE) {
        await this.#client.logBatch(id, { metrics: batch });
        batch = [];
      }
      batch.push(...metrics);
    }
    if (batch.length > 0) await this.#client.logBatch(id, { metrics: batch });
  }

  async end(run: TrackedRun): Promise<void> {
    const id = this.#runs.get(run.id) ?? (await this.#require(run)).info.run_id;
    await this.#client.updateRun(id, STATUS[run.state], run.finishedAt ?? undefined);
    this.#runs.delete(run.id);
  }

  async #require({ id, name, createdAt }: TrackedRun): Promise<MlflowRun> {
    this.#experiment ??= await this.#client.experiment(this.options.experiment);
    const found = await this.#client.findRun(this.#experiment, RUN_TAG, id);
    return found ?? this.#client.createRun(this.#experiment, name, createdAt, { [RUN_TAG]: id });
  }

  /** The same again changes nothing. */
  async #logParams(id: string, { config }: TrackedRun): Promise<void> {
    const params = [...flatten(config)];
    for (let at = 0; at < params.length; at += PARAMS_AT_ONCE)
      await this.#client.logBatch(id, { params: Object.fromEntries(params.slice(at, at + PARAMS_AT_ONCE)) });
  }
}

function metricsOf({ key, step, at, values }: Entry): Metric[] {
  const timestamp = at.getTime();
  const metrics = Object.entries(values).map(([name, value]) => ({ key: name, value, timestamp, step }));
  return key.startsWith(`${HELD_OUT}/`) ? [...metrics, { key: VERSION_METRIC, value: step, timestamp, step }] : metrics;
}

/** `training.learningRate`: `0.0005`. */
function* flatten(value: unknown, path = ''): Generator<[string, string], void, undefined> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) yield* flatten(inner, path === '' ? key : `${path}.${key}`);
    return;
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text !== '') yield [path, text.slice(0, LONGEST_PARAM)];
}
