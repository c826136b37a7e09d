import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, ConnectionError, StrangeAnswerError } from './api.error.ts';
import { sendStream } from './send-stream.ts';

export interface HttpClientOptions {
  readonly signal?: AbortSignal;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** Tries of a request, the first one counted. */
  readonly maxAttempts?: number;
  /** Wait before another try when the server names none. */
  readonly retryDelayMs?: number;
  /** Told of what makes a request wait, each time that it is to be tried again. */
  readonly onWait?: (reason: Error) => void;
}

export interface Outgoing {
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** Made anew for every try, and sent as it comes. */
  readonly stream?: () => AsyncIterable<Uint8Array>;
  /** Of the stream. */
  readonly type?: string;
  /** The answer may take as long as it takes. */
  readonly patient?: boolean;
}

export type Method = 'GET' | 'HEAD' | 'POST' | 'DELETE';

const MAX_RETRY_DELAY_MS = 30_000;
const READ_TIMEOUT_MS = 60_000;

/** Too many at once, or not now. */
const BUSY = new Set([429, 503]);
/** Of what stands before a server that is away for a moment: asked again where that is safe. */
const UNREACHED = new Set([502, 504]);

/**
 * JSON over HTTP. A server that is busy is asked again when it says so. What got no answer is tried again after a
 * while where that is safe: a read, or a request that nobody was there to hear.
 */
export class HttpClient {
  readonly #base: string;
  readonly #options: HttpClientOptions & Required<Pick<HttpClientOptions, 'maxAttempts' | 'retryDelayMs'>>;

  constructor(base: string, options: HttpClientOptions = {}) {
    this.#base = base.replace(/\/+$/, '');
    this.#options = { maxAttempts: 6, retryDelayMs: 1000, ...options };
  }

  /** The same client with other options. */
  with(options: HttpClientOptions): HttpClient {
    return new HttpClient(this.#base, { ...this.#options, ...options });
  }

  async json(method: Method, path: string, outgoing: Outgoing = {}): Promise<unknown> {
    const response = await this.open(method, path, outgoing);
    try {
      return await response.json();
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw new StrangeAnswerError(this.#base, `${method} ${path}`, error);
    }
  }

  /** A good answer, its body still to be read. */
  async open(method: Method, path: string, outgoing: Outgoing = {}): Promise<Response> {
    const { maxAttempts, retryDelayMs, signal, onWait } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const last = attempt >= maxAttempts;
      const outcome = await this.#send(method, path, outgoing);
      let delayMs = retryDelayMs;
      if (outcome instanceof Response) {
        if (outcome.ok) return outcome;
        const error = await ApiError.from(`${method} ${path}`, outcome);
        const isBusy = BUSY.has(outcome.status) || (isRead(method) && UNREACHED.has(outcome.status));
        if (!isBusy || last) throw error;
        delayMs = retryAfterMs(outcome.headers.get('retry-after')) ?? retryDelayMs;
        onWait?.(error);
      } else {
        if (last || !(isRead(method) || outcome.unsent)) throw outcome;
        onWait?.(outcome);
      }
      await sleep(Math.min(delayMs, MAX_RETRY_DELAY_MS), undefined, { ...(signal && { signal }) });
    }
  }

  async #send(
    method: Method,
    path: string,
    { query, headers, json, stream, type = 'application/octet-stream', patient = false }: Outgoing,
  ): Promise<Response | ConnectionError> {
    const url = new URL(`${this.#base}${path}`);
    for (const [key, value] of Object.entries(query ?? {}))
      if (value !== undefined) url.searchParams.set(key, `${value}`);
    const { signal, token } = this.#options;
    const signals = [signal, isRead(method) && !patient ? AbortSignal.timeout(READ_TIMEOUT_MS) : undefined];
    const request = {
      method,
      signal: AbortSignal.any(signals.filter((one) => one !== undefined)),
      headers: {
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(stream && { 'content-type': type }),
      },
    };
    try {
      if (stream) return await sendStream(url, { ...request, stream: stream() });
      return await fetch(url, { ...request, ...(json !== undefined && { body: JSON.stringify(json) }) });
    } catch (error) {
      signal?.throwIfAborted();
      return new ConnectionError(this.#base, error);
    }
  }
}

function isRead(method: Method): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Seconds, or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
