import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileDigest } from '../file-digest.ts';
import { FetchError } from './fetch.error.ts';
import { ask, reasonOf, shown } from './http.ts';

export interface Download {
  readonly url: string;
  readonly path: string;
  readonly sha256: string;
  readonly signal: AbortSignal;
  /** Bytes there are, and bytes of the whole where that is known. */
  readonly progress: (done: number, total: number | undefined) => void;
  /** Waits between attempts. */
  readonly pauseMs?: number;
}

/** Attempts in a row that bring nothing. */
const PATIENCE = 4;

/**
 * Fetches a file, by the range that is missing where a piece of it is there already. What has come stays when it breaks off, so that
 * the next call goes on there; a file of another digest goes.
 */
export async function download({ url, path, sha256, signal, progress, pauseMs = 1000 }: Download): Promise<void> {
  const part = `${path}.part`;
  await mkdir(dirname(path), { recursive: true });
  for (let idle = 0; ;) {
    const before = await sizeOf(part);
    try {
      await fetchRest(url, part, before, signal, progress);
      break;
    } catch (error) {
      if (!(error instanceof BrokenOffError)) throw error;
      idle = (await sizeOf(part)) > before ? 0 : idle + 1;
      if (idle === PATIENCE) throw new FetchError(error.message, { cause: error });
      await sleep(pauseMs, undefined, { signal });
    }
  }
  const digest = await fileDigest(part);
  if (digest !== sha256) {
    await rm(part);
    throw new FetchError(`${shown(url)} came with SHA-256 ${digest}, not ${sha256}, and was thrown away`);
  }
  await rename(part, path);
}

/** The same request may do better. */
class BrokenOffError extends FetchError {}

async function fetchRest(
  url: string,
  part: string,
  have: number,
  signal: AbortSignal,
  progress: Download['progress'],
): Promise<void> {
  const response = await ask(url, have > 0 ? { Range: `bytes=${have}-` } : {}, signal).catch((error: unknown) => {
    throw error instanceof FetchError ? new BrokenOffError(error.message, { cause: error }) : error;
  });
  const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? NaN);
  // All of it is there, or more than there should be: the digest tells.
  if (response.status === 416) return void (await response.body?.cancel());
  if (!response.ok || response.body === null) {
    const message = `${shown(url)} answered ${response.status}`;
    throw response.status >= 500 ? new BrokenOffError(message) : new FetchError(message);
  }
  const start = response.status === 206 ? have : 0;
  const length = Number(response.headers.get('content-length') ?? NaN);
  const whole = Number.isNaN(total) ? (Number.isNaN(length) ? undefined : start + length) : total;
  const file = await open(part, start > 0 ? 'r+' : 'w');
  try {
    let done = start;
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      await file.write(piece, 0, piece.length, done);
      done += piece.length;
      progress(done, whole);
    }
    if (whole !== undefined && done < whole)
      throw new BrokenOffError(`${shown(url)} broke off at ${done} of ${whole} bytes`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FetchError) throw error;
    throw new BrokenOffError(`${shown(url)} broke off (${reasonOf(error)})`, { cause: error });
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** SHA-256 of a file, or undefined where there is none. */
export async function digestIfThere(path: string): Promise<string | undefined> {
  return (await stat(path).catch(() => undefined)) === undefined ? undefined : fileDigest(path);
}
