import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, ConnectionError } from './api.error.ts';

export interface HttpClientOptions {
  readonly signal?: AbortSignal;
  /** Tries of a request, the first one counted. */
  readonly maxAttempts?: number;
  /** Wait before another try when the server names none. */
  readonly retryDelayMs?: number;
}

export interface Outgoing {
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly json?: unknown;
  /** Made anew for every try, and sent as it comes. */
  readonly stream?: () => AsyncIterable<Uint8Array>;
}

const MAX_RETRY_DELAY_MS = 30_000;
const GET_TIMEOUT_MS = 60_000;

/**
 * JSON over HTTP. A server that is busy (503) is asked again when it says so. What got no answer is tried again after a
 * while where that is safe: a read, or a request that nobody was there to hear.
 */
export class HttpClient {
  readonly #base: string;
  readonly #options: Required<Omit<HttpClientOptions, 'signal'>> & Pick<HttpClientOptions, 'signal'>;

  constructor(base: string, options: HttpClientOptions = {}) {
    this.#base = base.replace(/\/+$/, '');
    this.#options = { maxAttempts: 6, retryDelayMs: 1000, ...options };
  }

  /** The same client under another signal. */
  under(signal: AbortSignal): HttpClient {
    return new HttpClient(this.#base, { ...this.#options, signal });
  }

  get<T>(path: string, query?: Outgoing['query']): Promise<T> {
    return this.#request('GET', path, query ? { query } : {});
  }

  post<T>(path: string, outgoing: Outgoing = {}): Promise<T> {
    return this.#request('POST', path, outgoing);
  }

  async #request<T>(method: 'GET' | 'POST', path: string, outgoing: Outgoing): Promise<T> {
    const { maxAttempts, retryDelayMs, signal } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const last = attempt >= maxAttempts;
      const outcome = await this.#send(method, path, outgoing);
      let delayMs = retryDelayMs;
      if (outcome instanceof Response) {
        if (outcome.ok) return (outcome.status === 204 ? undefined : await outcome.json()) as T;
        if (outcome.status !== 503 || last) throw await ApiError.from(`${method} ${path}`, outcome);
        delayMs = retryAfterMs(outcome.headers.get('retry-after')) ?? retryDelayMs;
        await outcome.body?.cancel();
      } else if (last || !(method === 'GET' || outcome.unsent)) {
        throw outcome;
      }
      await sleep(Math.min(delayMs, MAX_RETRY_DELAY_MS), undefined, { ...(signal && { signal }) });
    }
  }

  async #send(method: string, path: string, { query, json, stream }: Outgoing): Promise<Response | ConnectionError> {
    const url = new URL(`${this.#base}${path}`);
    for (const [key, value] of Object.entries(query ?? {}))
      if (value !== undefined) url.searchParams.set(key, `${value}`);
    const signals = [this.#options.signal, method === 'GET' ? AbortSignal.timeout(GET_TIMEOUT_MS) : undefined];
    const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
    try {
      return await fetch(url, {
        method,
        signal,
        ...(json !== undefined && { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }),
        ...(stream && {
          body: stream(),
          headers: { 'content-type': 'application/octet-stream' },
          duplex: 'half' as const,
        }),
      });
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      return new ConnectionError(this.#base, error);
    }
  }
}

/** Seconds, or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
