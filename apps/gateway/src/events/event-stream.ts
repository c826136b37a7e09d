import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Response } from 'express';
import type { EventReader } from './event-log.ts';

export interface StreamLimits {
  /** Between signs of life on an idle stream. */
  readonly heartbeatMs: number;
  /** For a client to take something of what waits for it. */
  readonly stalledMs: number;
}

/**
 * Writes events as server-sent events until their stream is lost or the signal aborts, as the client takes them: a piece is made when the
 * one before is gone, so that a client which does not read costs a buffer of fixed size, and after a while is cut off. It goes on where
 * it was when it comes back.
 */
export async function streamEvents(
  opening: Promise<EventReader>,
  response: Response,
  signal: AbortSignal,
  { heartbeatMs, stalledMs }: StreamLimits,
): Promise<void> {
  response.set({
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const heartbeat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(': alive\n\n');
  }, heartbeatMs);
  try {
    const events = await opening;
    while (!signal.aborted) {
      const text = events.take();
      if (text === undefined) break;
      if (text === '') await events.news(signal);
      else if (response.write(text)) await nextTurn();
      else if (!(await drained(response, signal, stalledMs))) break;
    }
  } finally {
    clearInterval(heartbeat);
  }
  // Who does not read hears of no end either.
  if (response.writableNeedDrain) response.destroy();
  else response.end();
}

/** Whether all that waited was taken; false when it takes too long, or the signal aborts. */
async function drained(response: Response, signal: AbortSignal, limitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isDrained: boolean): void => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      signal.removeEventListener('abort', onEnd);
      resolve(isDrained);
    };
    const [onDrain, onEnd] = [() => settle(true), () => settle(false)];
    const timer = setTimeout(onEnd, limitMs);
    response.once('drain', onDrain);
    signal.addEventListener('abort', onEnd);
    if (signal.aborted) onEnd();
  });
}
