import { setTimeout as sleep } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { ApiClient } from '../client/api.client.ts';
import { ApiError, ConnectionError } from '../client/api.error.ts';
import type { RunEvent } from '../client/api.views.ts';

const RETRY_DELAY_MS = 1000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The stream is open, for the first time or again, perhaps with a gap before: what happens now will be told. */
  readonly opened: () => void;
}

/** What happens to a run from now on. A stream that breaks is opened again, and goes on where it was. */
export async function* followEvents(
  api: ApiClient,
  run: string,
  { signal, opened }: FollowOptions,
): AsyncGenerator<RunEvent> {
  let last: string | undefined;
  for (;;) {
    try {
      const stream = await api.events(run, last);
      opened();
      for await (const { id, event, data } of messagesOf(stream)) {
        last = id ?? last;
        if (event === 'restarted') opened();
        else yield JSON.parse(data) as RunEvent;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ApiError || error instanceof ConnectionError) throw error;
    }
    await sleep(RETRY_DELAY_MS, undefined, { signal });
  }
}

async function* messagesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<EventSourceMessage> {
  const decoder = new TextDecoder();
  let ready: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => ready.push(message) });
  for await (const piece of stream) {
    parser.feed(decoder.decode(piece, { stream: true }));
    yield* ready;
    ready = [];
  }
}
