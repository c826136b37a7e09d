import type { Response } from 'express';
import type { Observable } from 'rxjs';
import { eventId } from './event-id.ts';
import type { ToldEvent } from './run-events.service.ts';

/** Who reads so slowly is cut off, and goes on where it was when it comes back. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;

/** Writes events as server-sent events until they end or the client leaves. */
export function streamEvents(events: Observable<ToldEvent>, response: Response, heartbeatMs: number): void {
  response.set({
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const write = (text: string): void => {
    response.write(text);
    if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  };
  const heartbeat = setInterval(() => write(': alive\n\n'), heartbeatMs);
  const subscription = events.subscribe({
    next: (told) => write(messageOf(told)),
    complete: () => response.end(),
  });
  response.once('close', () => {
    clearInterval(heartbeat);
    subscription.unsubscribe();
  });
}

/** What was missed with a lost stream is in the ledger alone: `restarted` says so, to whoever must read it again. */
function messageOf({ event, ...place }: ToldEvent): string {
  const id = `id: ${eventId(place)}\n`;
  return event === 'restarted' ? `${id}event: restarted\ndata: {}\n\n` : `${id}data: ${JSON.stringify(event)}\n\n`;
}
