import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

const text = z.string().min(1);
const pairs = z.array(z.strictObject({ key: text.max(250), value: z.string().max(6000) }));
const metric = z.strictObject({
  key: text.max(250).regex(/^[\w\-. :/]+$/),
  value: z.number(),
  timestamp: z.int(),
  step: z.int(),
});

/** What the documentation of the REST API 2.0 asks of each request, limits included. */
const REQUESTS = {
  'GET experiments/get-by-name': z.strictObject({ experiment_name: text }),
  'POST experiments/create': z.strictObject({ name: text }),
  'POST runs/search': z.strictObject({ experiment_ids: z.array(text), filter: text, max_results: z.int().max(50_000) }),
  'POST runs/create': z.strictObject({ experiment_id: text, run_name: text, start_time: z.int(), tags: pairs }),
  'POST runs/update': z.strictObject({
    run_id: text,
    status: z.enum(['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED']),
    end_time: z.int().optional(),
  }),
  'POST runs/log-batch': z.strictObject({ run_id: text, metrics: z.array(metric).max(1000), params: pairs.max(100) }),
  'GET metrics/get-history': z.strictObject({
    run_id: text,
    metric_key: text,
    max_results: z.coerce.number().int().max(25_000),
    page_token: text.optional(),
  }),
} as const;

type Call = keyof typeof REQUESTS;
type Request<C extends Call> = z.infer<(typeof REQUESTS)[C]>;
type Metric = z.infer<typeof metric>;

export interface StoredRun {
  readonly id: string;
  readonly name: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly params: Map<string, string>;
  readonly metrics: Metric[];
  status: string;
  endTime: number | undefined;
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message = code,
  ) {
    super(message);
  }
}

/** A tracking server in memory, on loopback. It keeps what it is sent, also what it was sent before. */
export class MlflowServer {
  readonly runs: StoredRun[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** How many answers to batches of metrics get lost on their way, though the request was carried out. */
  lostAnswers = 0;
  /** While it is, every request is answered with 503. */
  down = false;
  readonly #experiments = new Map<string, string>();

  private constructor(
    readonly url: string,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(): Promise<MlflowServer> {
    const server = createServer((request, response) => void mlflow.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const stop = (): Promise<void> =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    const mlflow = new MlflowServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop);
    return mlflow;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.url);
    const call = `${request.method} ${url.pathname.replace('/api/2.0/mlflow/', '')}`;
    this.authorizations.push(request.headers.authorization);
    const send = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    try {
      if (this.down) throw new Refusal(503, 'TEMPORARILY_UNAVAILABLE');
      if (!Object.hasOwn(REQUESTS, call)) throw new Refusal(404, 'ENDPOINT_NOT_FOUND');
      const given = request.method === 'GET' ? Object.fromEntries(url.searchParams) : await readJson(request);
      const parsed = REQUESTS[call as Call].safeParse(given);
      if (!parsed.success) throw new Refusal(400, 'INVALID_PARAMETER_VALUE', parsed.error.message);
      const body = this.#carryOut(call as Call, parsed.data);
      const isMetrics = 'metrics' in parsed.data && parsed.data.metrics.length > 0;
      if (isMetrics && this.lostAnswers > 0) {
        this.lostAnswers -= 1;
        response.destroy();
      } else send(200, body);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'INTERNAL_ERROR', String(error));
      send(refusal.status, { error_code: refusal.code, message: refusal.message });
    }
  }

  #carryOut<C extends Call>(call: C, given: Request<C>): object {
    const calls: { readonly [K in Call]: (request: Request<K>) => object } = {
      'GET experiments/get-by-name': ({ experiment_name: name }) => {
        const id = this.#experiments.get(name);
        if (id === undefined) throw new Refusal(404, 'RESOURCE_DOES_NOT_EXIST');
        return { experiment: { experiment_id: id, name, lifecycle_stage: 'active' } };
      },
      'POST experiments/create': ({ name }) => {
        if (this.#experiments.has(name)) throw new Refusal(400, 'RESOURCE_ALREADY_EXISTS');
        this.#experiments.set(name, String(this.#experiments.size + 1));
        return { experiment_id: this.#experiments.get(name) };
      },
      'POST runs/search': ({ filter }) => {
        const [, tag = '', value = ''] = /^tags\.(\w+) = '(.*)'$/.exec(filter) ?? [];
        const found = this.runs.find(({ tags }) => tags.get(tag) === value);
        // Fields without a value are left out.
        return found ? { runs: [view(found)] } : {};
      },
      'POST runs/create': ({ run_name: name, tags }) => {
        const run: StoredRun = {
          id: `r${this.runs.length}`,
          name,
          tags: new Map(tags.map(({ key, value }) => [key, value])),
          params: new Map(),
          metrics: [],
          status: 'RUNNING',
          endTime: undefined,
        };
        this.runs.push(run);
        return { run: view(run) };
      },
      'POST runs/update': ({ run_id: id, status, end_time: endTime }) => {
        const run = this.#run(id);
        [run.status, run.endTime] = [status, endTime];
        return { run_info: view(run).info };
      },
      'POST runs/log-batch': ({ run_id: id, metrics, params }) => {
        const run = this.#run(id);
        for (const { key, value } of params) {
          const before = run.params.get(key);
          if (before !== undefined && before !== value)
            throw new Refusal(400, 'INVALID_PARAMETER_VALUE', `${key} cannot change`);
          run.params.set(key, value);
        }
        run.metrics.push(...metrics);
        return {};
      },
      'GET metrics/get-history': ({ run_id: id, metric_key: key, page_token: page }) => {
        // Pages smaller than asked for, as the documentation allows.
        const size = 2;
        const from = Number(page ?? 0);
        const all = this.#run(id).metrics.filter((point) => point.key === key);
        const next = from + size < all.length ? { next_page_token: String(from + size) } : {};
        return { metrics: all.slice(from, from + size), ...next };
      },
    };
    return calls[call](given);
  }

  #run(id: string): StoredRun {
    const run = this.runs.find((candidate) => candidate.id === id);
    if (!run) throw new Refusal(404, 'RESOURCE_DOES_NOT_EXIST');
    return run;
  }
}

function view({ id, status, metrics }: StoredRun) {
  const latest = new Map(metrics.map((point) => [point.key, point]));
  const data = latest.size === 0 ? {} : { metrics: [...latest.values()] };
  return { info: { run_id: id, status }, data };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}
