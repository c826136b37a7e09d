import { eventSchema, type RunEvent } from '@solopo/contracts';
import { waitFor } from '@solopo/testing';

export interface ReceivedEvent {
  readonly id: string;
  readonly event: RunEvent;
}

export interface EventReader {
  readonly status: number;
  readonly contentType: string | null;
  readonly events: readonly ReceivedEvent[];
  readonly comments: readonly string[];
  /** Of the type `restarted`. */
  readonly restarts: readonly string[];
  readonly ended: boolean;
  count(events: number): Promise<readonly ReceivedEvent[]>;
  close(): void;
}

/** A client of server-sent events. */
export async function readEvents(url: string, lastEventId?: string): Promise<EventReader> {
  const leaving = new AbortController();
  const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const response = await fetch(url, { headers, signal: leaving.signal });
  const events: ReceivedEvent[] = [];
  const comments: string[] = [];
  const restarts: string[] = [];
  const reader = {
    status: response.status,
    contentType: response.headers.get('content-type'),
    events,
    comments,
    restarts,
    ended: false,
    count: (count: number) => waitFor(`${count} events, not ${events.length}`, () => events.length >= count && events),
    close: () => leaving.abort(),
  };
  void consume(response, { events, comments, restarts }).then(
    () => (reader.ended = true),
    () => undefined,
  );
  return reader;
}

interface Received {
  readonly events: ReceivedEvent[];
  readonly comments: string[];
  readonly restarts: string[];
}

async function consume(response: Response, { events, comments, restarts }: Received): Promise<void> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const messages = text.split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const fields = fieldsOf(message);
      const [id = '', type] = [fields.get('id'), fields.get('event')];
      if (message.startsWith(':')) comments.push(message);
      else if (type === 'restarted') restarts.push(id);
      else events.push({ id, event: eventSchema.parse(JSON.parse(fields.get('data') ?? '')) });
    }
  }
}

function fieldsOf(message: string): ReadonlyMap<string, string> {
  return new Map(
    message.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
}
