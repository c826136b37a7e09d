import { createReadStream } from 'node:fs';
import type {
  AlignmentView,
  DatasetFormat,
  DatasetView,
  EvaluationView,
  ModelView,
  PairView,
  RunConfigInput,
  RunView,
  StepView,
} from '@solopo/contracts';
import { HttpClient, type HttpClientOptions } from './http.client.ts';

export interface NewDataset {
  readonly name: string;
  readonly format: DatasetFormat;
  /** JSON lines, each with its line end. */
  readonly lines: () => Iterable<string> | AsyncIterable<string>;
}

/** The public HTTP API, typed. */
export class ApiClient {
  readonly #http: HttpClient;

  constructor(base: string | HttpClient, options?: HttpClientOptions) {
    this.#http = base instanceof HttpClient ? base : new HttpClient(base, options);
  }

  under(signal: AbortSignal): ApiClient {
    return new ApiClient(this.#http.under(signal));
  }

  uploadFile(path: string): Promise<{ readonly digest: string; readonly bytes: number }> {
    return this.#http.post('/v1/artifacts', { stream: () => createReadStream(path) as AsyncIterable<Uint8Array> });
  }

  createModel(name: string, files: Readonly<Record<string, string>>): Promise<ModelView> {
    return this.#http.post('/v1/models', { json: { name, files } });
  }

  createDataset({ name, format, lines }: NewDataset): Promise<DatasetView> {
    return this.#http.post('/v1/datasets', { query: { name, format }, stream: () => encoded(lines()) });
  }

  createRun(config: RunConfigInput): Promise<RunView> {
    return this.#http.post('/v1/runs', { json: config });
  }

  run(id: string): Promise<RunView> {
    return this.#http.get(`/v1/runs/${id}`);
  }

  cancelRun(id: string): Promise<RunView> {
    return this.#http.post(`/v1/runs/${id}/cancel`);
  }

  /** Every step so far, page after page. */
  async steps(id: string): Promise<StepView[]> {
    const steps: StepView[] = [];
    for (;;) {
      const page = await this.#http.get<StepView[]>(`/v1/runs/${id}/steps`, { after: steps.at(-1)?.step ?? 0 });
      if (page.length === 0) return steps;
      steps.push(...page);
    }
  }

  alignments(id: string): Promise<AlignmentView[]> {
    return this.#http.get(`/v1/runs/${id}/alignments`);
  }

  evaluations(id: string): Promise<EvaluationView[]> {
    return this.#http.get(`/v1/runs/${id}/evaluations`);
  }

  pairs(id: string, page: { readonly limit?: number; readonly offset?: number } = {}): Promise<PairView[]> {
    return this.#http.get(`/v1/runs/${id}/pairs`, page);
  }

  /** Rows of each evidence table. */
  ledgerCounts(): Promise<Readonly<Record<string, number>>> {
    return this.#http.get('/v1/ledger/counts');
  }
}

/** Lines in pieces of a size worth sending. */
async function* encoded(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const pieceLength = 65_536;
  let piece = '';
  for await (const line of lines) {
    piece += line;
    if (piece.length < pieceLength) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  if (piece !== '') yield Buffer.from(piece);
}
