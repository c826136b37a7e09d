import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { DatasetFormat } from '@solopo/contracts';
import { ApiError } from './api.error.ts';
import type { AnswerOf, PathOf, RequestOf, Verb } from './api.paths.ts';
import type { operations } from './api.types.ts';
import type {
  AlignmentView,
  DatasetView,
  DeadLetterView,
  Envelope,
  EvaluationView,
  Garbage,
  IssuedToken,
  ModelDetails,
  ModelView,
  NewRun,
  NewToken,
  PairView,
  PolicyManifest,
  ReplayView,
  Retried,
  RunSummary,
  RunView,
  SigningKey,
  StepView,
  TokenView,
  Verification,
} from './api.views.ts';
import { HttpClient, type HttpClientOptions, type Method, type Outgoing } from './http.client.ts';

export interface NewDataset {
  readonly name: string;
  readonly format: DatasetFormat;
  /** JSON lines, each with its line end. */
  readonly lines: () => Iterable<string> | AsyncIterable<string>;
}

/** Of a file at once: a chunk of a request costs more than its bytes. */
const READ_BYTES = 1 << 18;

export type RunsQuery = NonNullable<operations['listRuns']['parameters']['query']>;
export type PairsQuery = NonNullable<operations['exportPairs']['parameters']['query']>;
type PairsPage = NonNullable<operations['listPairs']['parameters']['query']>;

/** The public HTTP API. Paths, parameters, bodies and answers are those of its OpenAPI document. */
export class ApiClient {
  readonly #http: HttpClient;

  constructor(base: string | HttpClient, options?: HttpClientOptions) {
    this.#http = base instanceof HttpClient ? base : new HttpClient(base, options);
  }

  /** The same client with other options. */
  with(options: HttpClientOptions): ApiClient {
    return new ApiClient(this.#http.with(options));
  }

  uploadFile(path: string): Promise<AnswerOf<'/v1/artifacts', 'post'>> {
    const stream = () => createReadStream(path, { highWaterMark: READ_BYTES }) as AsyncIterable<Uint8Array>;
    return this.#upload('/v1/artifacts', { stream });
  }

  async hasArtifact(digest: string): Promise<boolean> {
    try {
      await this.#http.open('HEAD', filled('/v1/artifacts/{digest}', { digest }));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  readArtifact(digest: string): Promise<AsyncIterable<Uint8Array>> {
    return this.#download('/v1/artifacts/{digest}', { digest });
  }

  createModel(name: string, files: Readonly<Record<string, string>>): Promise<ModelView> {
    return this.#ask('post', '/v1/models', { json: { name, files } });
  }

  /** What workers compute with. */
  async engines(): Promise<ReadonlySet<string>> {
    const { pools } = await this.#ask('get', '/v1/system', {});
    return new Set(pools.flatMap(({ engines }) => engines));
  }

  models(): Promise<readonly ModelView[]> {
    return this.#ask('get', '/v1/models', {});
  }

  model(nameOrDigest: string): Promise<ModelDetails> {
    return this.#ask('get', '/v1/models/{nameOrDigest}', { path: { nameOrDigest } });
  }

  createDataset({ name, format, lines }: NewDataset): Promise<DatasetView> {
    return this.importDataset(name, format, () => encoded(lines()));
  }

  /** JSON lines as they are. */
  importDataset(name: string, format: DatasetFormat, stream: () => AsyncIterable<Uint8Array>): Promise<DatasetView> {
    return this.#upload('/v1/datasets', { query: { name, format }, stream, type: 'application/x-ndjson' });
  }

  datasets(): Promise<readonly DatasetView[]> {
    return this.#ask('get', '/v1/datasets', {});
  }

  createRun(config: NewRun): Promise<RunView> {
    return this.#ask('post', '/v1/runs', { json: config });
  }

  /** Latest first, with the short of their configurations. */
  runs(query: RunsQuery = {}): Promise<readonly RunSummary[]> {
    return this.#ask('get', '/v1/runs', { query });
  }

  run(id: string): Promise<RunView> {
    return this.#ask('get', '/v1/runs/{id}', { path: { id } });
  }

  cancelRun(id: string): Promise<RunView> {
    return this.#ask('post', '/v1/runs/{id}/cancel', { path: { id } });
  }

  /** Every step so far, page after page. */
  async steps(id: string): Promise<StepView[]> {
    const steps: StepView[] = [];
    for (;;) {
      const query = { after: steps.at(-1)?.step ?? 0 };
      const page = await this.#ask('get', '/v1/runs/{id}/steps', { path: { id }, query });
      if (page.length === 0) return steps;
      steps.push(...page);
    }
  }

  alignments(id: string): Promise<readonly AlignmentView[]> {
    return this.#ask('get', '/v1/runs/{id}/alignments', { path: { id } });
  }

  evaluations(id: string): Promise<readonly EvaluationView[]> {
    return this.#ask('get', '/v1/runs/{id}/evaluations', { path: { id } });
  }

  pairs(id: string, query: PairsPage = {}): Promise<readonly PairView[]> {
    return this.#ask('get', '/v1/runs/{id}/pairs', { path: { id }, query });
  }

  /** JSON lines. */
  exportPairs(id: string, query: PairsQuery = {}): Promise<AsyncIterable<Uint8Array>> {
    return this.#download('/v1/runs/{id}/pairs.jsonl', { id }, { query });
  }

  policy(id: string, step?: number): Promise<PolicyManifest> {
    return this.#ask('get', '/v1/runs/{id}/policy', { path: { id }, query: step === undefined ? {} : { step } });
  }

  /** What an adapter and its base were merged into. */
  stateMergedPolicy(
    id: string,
    step: number,
    files: readonly { readonly name: string; readonly digest: string }[],
  ): Promise<Envelope> {
    return this.#ask('post', '/v1/runs/{id}/policy/statement', { path: { id }, query: { step }, json: { files } });
  }

  collectGarbage(asked: { readonly dryRun: boolean; readonly graceHours: number }): Promise<Garbage> {
    return this.#ask('post', '/v1/artifacts/gc', { json: asked }, { patient: true });
  }

  signingKey(): Promise<SigningKey> {
    return this.#ask('get', '/v1/signing-key', {});
  }

  verify(id: string): Promise<Verification> {
    return this.#ask('get', '/v1/runs/{id}/verify', { path: { id } }, { patient: true });
  }

  createReplay(id: string, asked: { readonly slices: number; readonly seed?: number }): Promise<ReplayView> {
    return this.#ask('post', '/v1/runs/{id}/replays', { path: { id }, json: asked });
  }

  replay(id: string, replay: string): Promise<ReplayView> {
    return this.#ask('get', '/v1/runs/{id}/replays/{replay}', { path: { id, replay } }, { patient: true });
  }

  /** Server-sent events later than `lastEventId`, or from now on. */
  events(id: string, lastEventId?: string): Promise<AsyncIterable<Uint8Array>> {
    return this.#download(
      '/v1/runs/{id}/events',
      { id },
      {
        query: { from: 'now' },
        headers: { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
      },
    );
  }

  /** Jobs that were given up, latest first. */
  deadLetters(limit?: number): Promise<readonly DeadLetterView[]> {
    return this.#ask('get', '/v1/dead-letters', { query: limit === undefined ? {} : { limit } });
  }

  deadLetter(id: number): Promise<DeadLetterView> {
    return this.#ask('get', '/v1/dead-letters/{id}', { path: { id } });
  }

  /** Sets the runs going again that failed because of the letter. */
  retryDeadLetter(id: number): Promise<Retried> {
    return this.#ask('post', '/v1/dead-letters/{id}/retry', { path: { id } });
  }

  async discardDeadLetter(id: number): Promise<void> {
    await this.#http.open('DELETE', filled('/v1/dead-letters/{id}', { id: String(id) }));
  }

  /** Rows of each evidence table. */
  ledgerCounts(): Promise<Readonly<Record<string, number>>> {
    return this.#ask('get', '/v1/ledger/counts', {});
  }

  issueToken(token: NewToken): Promise<IssuedToken> {
    return this.#ask('post', '/v1/tokens', { json: token });
  }

  tokens(): Promise<readonly TokenView[]> {
    return this.#ask('get', '/v1/tokens', {});
  }

  revokeToken(name: string): Promise<TokenView> {
    return this.#ask('delete', '/v1/tokens/{name}', { path: { name } });
  }

  async #ask<V extends Verb, P extends PathOf<V>>(
    verb: V,
    path: P,
    request: RequestOf<P, V>,
    options: Pick<Outgoing, 'patient'> = {},
  ): Promise<AnswerOf<P, V>> {
    const { path: parameters = {}, ...outgoing } = request as Outgoing & { path?: Readonly<Record<string, string>> };
    const method = verb.toUpperCase() as Method;
    return (await this.#http.json(method, filled(path, parameters), { ...outgoing, ...options })) as AnswerOf<P, V>;
  }

  async #upload<P extends PathOf<'post'>>(path: P, outgoing: Outgoing): Promise<AnswerOf<P, 'post'>> {
    return (await this.#http.json('POST', path, outgoing)) as AnswerOf<P, 'post'>;
  }

  async #download(
    path: PathOf<'get'>,
    parameters: Readonly<Record<string, string>>,
    outgoing: Outgoing = {},
  ): Promise<AsyncIterable<Uint8Array>> {
    const { body } = await this.#http.open('GET', filled(path, parameters), { ...outgoing, patient: true });
    return body ?? Readable.from([]);
  }
}

function filled(path: string, parameters: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
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
