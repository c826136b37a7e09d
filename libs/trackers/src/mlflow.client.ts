import { SolopoError } from '@solopo/contracts';
import { z } from 'zod';

export interface MlflowOptions {
  /** Of the tracking server: `http://mlflow:5000`. */
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token?: string | undefined;
}

export interface Metric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

const LIMIT_MS = 30_000;
const HISTORY_AT_ONCE = 25_000;

/** The API's 64-bit integers may come as text. */
const integer = z.coerce.number();
const experimentSchema = z.object({ experiment: z.object({ experiment_id: z.string(), lifecycle_stage: z.string() }) });
const runSchema = z.object({
  info: z.object({ run_id: z.string(), status: z.string() }),
  data: z.object({
    metrics: z.array(z.object({ key: z.string(), step: integer.default(0) })).default([]),
  }),
});
const historySchema = z.object({
  metrics: z.array(z.object({ step: integer.default(0) })).default([]),
  next_page_token: z.string().optional(),
});

export type MlflowRun = z.infer<typeof runSchema>;

/** The few calls of MLflow's REST API 2.0 that keep runs. */
export class MlflowClient {
  constructor(private readonly options: MlflowOptions) {}

  /** Its id; made when it is not there. */
  async experiment(name: string): Promise<string> {
    const found = await this.#ask('GET', 'experiments/get-by-name', { experiment_name: name }, { missing: true });
    if (found === undefined)
      return z.object({ experiment_id: z.string() }).parse(await this.#ask('POST', 'experiments/create', { name }))
        .experiment_id;
    const { experiment } = experimentSchema.parse(found);
    if (experiment.lifecycle_stage === 'active') return experiment.experiment_id;
    throw new SolopoError('conflict', `MLflow's experiment ${name} is deleted; restore it, or name another.`);
  }

  async findRun(experiment: string, tag: string, value: string): Promise<MlflowRun | undefined> {
    const answer = await this.#ask('POST', 'runs/search', {
      experiment_ids: [experiment],
      filter: `tags.${tag} = '${value}'`,
      max_results: 1,
    });
    return z.object({ runs: z.array(runSchema).default([]) }).parse(answer).runs[0];
  }

  async createRun(experiment: string, name: string, startedAt: Date, tags: Record<string, string>): Promise<MlflowRun> {
    const answer = await this.#ask('POST', 'runs/create', {
      experiment_id: experiment,
      run_name: name,
      start_time: startedAt.getTime(),
      tags: keyed(tags),
    });
    return z.object({ run: runSchema }).parse(answer).run;
  }

  async updateRun(run: string, status: string, endedAt?: Date): Promise<void> {
    const end = endedAt === undefined ? {} : { end_time: endedAt.getTime() };
    await this.#ask('POST', 'runs/update', { run_id: run, status, ...end });
  }

  /** At most 1000 metrics, or 100 parameters. */
  async logBatch(run: string, batch: { metrics?: readonly Metric[]; params?: Record<string, string> }): Promise<void> {
    const { metrics = [], params = {} } = batch;
    await this.#ask('POST', 'runs/log-batch', { run_id: run, metrics, params: keyed(params) });
  }

  /** The steps at which a metric has a value. */
  async stepsOf(run: string, metric: string): Promise<readonly number[]> {
    const steps: number[] = [];
    for (let page: string | undefined; ;) {
      const query = { run_id: run, metric_key: metric, max_results: String(HISTORY_AT_ONCE) };
      const answer = await this.#ask('GET', 'metrics/get-history', page ? { ...query, page_token: page } : query);
      const { metrics, next_page_token: next } = historySchema.parse(answer);
      steps.push(...metrics.map(({ step }) => step));
      if (!next) return steps;
      page = next;
    }
  }

  async #ask(
    method: 'GET' | 'POST',
    path: string,
    content: object,
    { missing = false }: { missing?: boolean } = {},
  ): Promise<unknown> {
    const { url, token } = this.options;
    const query = method === 'GET' ? `?${new URLSearchParams(content as Record<string, string>).toString()}` : '';
    const response = await fetch(`${url.replace(/\/$/, '')}/api/2.0/mlflow/${path}${query}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
      },
      ...(method === 'POST' ? { body: JSON.stringify(content) } : {}),
      signal: AbortSignal.timeout(LIMIT_MS),
    }).catch((cause: unknown) => {
      throw new SolopoError('not-ready', 'MLflow does not answer; start it, or correct SOLOPO_MLFLOW_URL.', { cause });
    });
    if (missing && response.status === 404) return undefined;
    if (response.ok) return response.json();
    const reason = (await response.text()).slice(0, 500);
    throw new SolopoError(
      'not-ready',
      `MLflow answered ${path} with ${response.status}: ${reason}. Check its log, its address and the token.`,
    );
  }
}

function keyed(values: Record<string, string>): readonly { readonly key: string; readonly value: string }[] {
  return Object.entries(values).map(([key, value]) => ({ key, value }));
}
