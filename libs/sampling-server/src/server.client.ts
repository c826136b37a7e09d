import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { SolopoError } from '@solopo/contracts';
import type { SamplerSettings } from './settings.ts';

/** What may pass: the request is made again. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** What says that there is too much to do. */
const OVERLOAD = new Set([429, 503]);
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;
const LONGEST_ANSWER = 2 ** 28;
const TOLD_CHARACTERS = 400;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Statuses that are handed back and not thrown. */
  readonly expects?: readonly number[];
  /** Told when the server has too much to do, or did not answer in time. */
  readonly onOverload?: () => void;
}

export interface Reply {
  readonly status: number;
  /** JSON where the server wrote some, otherwise the text. */
  readonly body: unknown;
}

type Failure = { readonly error: SolopoError; readonly waitMs?: number | undefined };

/**
 * HTTP to one server: a time limit, further attempts with growing and random waits between them, its own word on how long to wait. By
 * `node:http`, since `fetch` gives every answer up that has not begun after five minutes. Redirections are not followed: nothing but the
 * server that was named is asked.
 */
export class ServerClient {
  readonly #agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  #key: Promise<string> | undefined;

  constructor(readonly settings: SamplerSettings) {}

  /**
   * A GET, or a POST where there is a body.
   *
   * @throws SolopoError `sampler-failed` where it does not answer as long as patience lasts, `sampler-refused` where it does not want to
   */
  async request(path: string, body: unknown, options: RequestOptions = {}): Promise<Reply> {
    const { signal, onOverload } = options;
    const until = performance.now() + this.settings.patienceSeconds * 1000;
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      const outcome = await this.#once(path, body, options);
      if (!('error' in outcome)) return outcome;
      signal?.throwIfAborted();
      const { error, waitMs } = outcome;
      if (!error.retryable) throw error;
      if (error.details['overload'] === true) onOverload?.();
      // Up to twice the last wait, drawn, so that workers which were turned away together do not come back together.
      const growing = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
      const wait = Math.max(waitMs ?? 0, growing * (0.5 + Math.random() / 2));
      if (performance.now() + wait > until) throw error;
      await sleep(wait, undefined, { signal });
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #once(path: string, body: unknown, { signal, expects = [] }: RequestOptions): Promise<Reply | Failure> {
    const limit = AbortSignal.timeout(this.settings.answerSeconds * 1000);
    try {
      const response = await this.#send(path, body, signal ? AbortSignal.any([signal, limit]) : limit);
      const status = response.statusCode ?? 0;
      const reply = { status, body: await readBody(response) };
      if ((status >= 200 && status < 300) || expects.includes(status)) return reply;
      return this.#failure(path, reply, response.headers['retry-after']);
    } catch (error) {
      if (error instanceof SolopoError) return { error };
      return { error: this.#unreachable(path, error, limit.aborted) };
    }
  }

  async #send(path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(`${this.settings.url}${path}`);
    const isSecure = url.protocol === 'https:';
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(await this.#authorization()),
    };
    return new Promise((resolve, reject) => {
      const request = (isSecure ? requestHttps : requestHttp)(
        url,
        {
          method: body === undefined ? 'GET' : 'POST',
          headers,
          agent: isSecure ? this.#agents.https : this.#agents.http,
          signal,
        },
        resolve,
      );
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  #failure(path: string, { status, body }: Reply, retryAfter: string | undefined): Failure {
    const said = messageOf(body);
    if (PASSING.has(status))
      return {
        error: new SolopoError(
          'sampler-failed',
          `${this.#name(path)} answers ${status}${said}; look at the server's log, then retry the job.`,
          { details: { overload: OVERLOAD.has(status) } },
        ),
        waitMs: retryAfterMs(retryAfter),
      };
    if (status === 401 || status === 403) {
      this.#key = undefined;
      const { keyFile, keyVariable } = this.settings;
      const place = keyFile ?? keyVariable;
      const next =
        place === undefined ? 'give the server a keyFile in SOLOPO_SAMPLERS' : `put the right key in ${place}`;
      return {
        error: new SolopoError(
          'sampler-refused',
          `${this.#name(path)} does not accept the key (${status}); ${next}, then retry the job.`,
        ),
      };
    }
    return {
      error: new SolopoError(
        'sampler-refused',
        `${this.#name(path)} refuses (${status}${said}); correct the server or the run's sampler, then retry the job.`,
      ),
    };
  }

  #unreachable(path: string, error: unknown, isLate: boolean): SolopoError {
    const { answerSeconds } = this.settings;
    if (isLate)
      return new SolopoError(
        'sampler-failed',
        `${this.#name(path)} gave no answer in ${answerSeconds} s; give it more answerSeconds or less concurrency (SOLOPO_SAMPLERS), then retry the job.`,
        { cause: error, details: { overload: true } },
      );
    const { code, message } = error as NodeJS.ErrnoException;
    return new SolopoError(
      'sampler-failed',
      `${this.#name(path)} cannot be reached (${code ?? message}); start it, then retry the job.`,
      { cause: error },
    );
  }

  #name(path: string): string {
    return `the sampling server ${this.settings.url} (${path})`;
  }

  async #authorization(): Promise<Record<string, string>> {
    const { keyFile, keyVariable } = this.settings;
    if (keyFile !== undefined) {
      this.#key ??= readFile(keyFile, 'utf8');
      try {
        return bearer(await this.#key);
      } catch (error) {
        this.#key = undefined;
        throw this.#noKey(`the keyFile ${keyFile} cannot be read; mount it`, error);
      }
    }
    if (keyVariable === undefined) return {};
    const key = process.env[keyVariable];
    if (key === undefined) throw this.#noKey(`the keyVariable ${keyVariable} is not set; set it`);
    return bearer(key);
  }

  #noKey(what: string, cause?: unknown): SolopoError {
    return new SolopoError(
      'config-invalid',
      `Of the sampling server ${this.settings.url} ${what}, then retry the job.`,
      {
        cause,
      },
    );
  }
}

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key.trim()}` });

async function readBody(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > LONGEST_ANSWER)
      throw new SolopoError(
        'sampler-refused',
        `a sampling server's answer is longer than ${LONGEST_ANSWER} bytes; look at what answers at its address.`,
      );
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What the server gives as a reason, in any of the forms that such servers have. */
function messageOf(body: unknown): string {
  const { error, message, detail } = (typeof body === 'object' ? (body ?? {}) : {}) as Record<string, unknown>;
  const given =
    typeof body === 'string'
      ? body
      : ((error as { message?: unknown } | undefined)?.message ?? error ?? message ?? detail);
  if (given === undefined || given === '') return '';
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  return `: ${text.slice(0, TOLD_CHARACTERS).trim()}`;
}

/** Seconds, or a date. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
