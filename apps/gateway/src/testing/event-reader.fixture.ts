import { eventSchema, type RunEvent } from '@solopo/contracts';
import { waitFor } from '@solopo/testing';

export interface ReceivedEvent {
  readonly id: number;
  readonly event: RunEvent;
}

export interface EventReader {
  readonly status: number;
  readonly contentType: string | null;
  readonly events: readonly ReceivedEvent[];
  readonly comments: readonly string[];
  readonly ended: boolean;
  count(events: number): Promise<readonly ReceivedEvent[]>;
  close(): void;
}

/** A client of server-sent events. */
export async function readEvents(url: string, lastEventId?: number): Promise<EventReader> {
  const leaving = new AbortController();
  const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const response = await fetch(url, { headers, signal: leaving.signal });
  const events: ReceivedEvent[] = [];
  const comments: string[] = [];
  const reader = {
    status: response.status,
    contentType: response.headers.get('content-type'),
    events,
    comments,
    ended: false,
    count: (count: number) => waitFor(`${count} events, not ${events.length}`, () => events.length >= count && events),
    close: () => leaving.abort(),
  };
  void consume(response, events, comments).then(
    () => (reader.ended = true),
    () => undefined,
  );
  return reader;
}

async function consume(response: Response, events: ReceivedEvent[], comments: string[]): Promise<void> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const messages = text.split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      if (message.startsWith(':')) comments.push(message);
      else events.push(read(message));
    }
  }
}

function read(message: string): ReceivedEvent {
  const fields = new Map(
    message.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  return { id: Number(fields.get('id')), event: eventSchema.parse(JSON.parse(fields.get('data') ?? '')) };
}
