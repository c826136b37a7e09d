import {
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type ConsumerMessages,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import { eventSchema, type RunEvent } from '@solopo/contracts';
import type { NatsConnection } from './connection.ts';
import { EVENTS, eventSubject } from './streams.ts';

/** Give it as `after` to go on from there. In a stream that was made after another one's loss it means nothing. */
export interface EventPlace {
  /** Which stream it is: when it was made. */
  readonly stream: string;
  readonly sequence: number;
}

export interface SequencedEvent extends EventPlace {
  readonly event: RunEvent;
}

export interface SubscriptionOptions {
  /** One run's events; every run's when absent. */
  readonly run?: string;
  /** Only what came after this place; everything still kept when absent, or when the stream does not have it. */
  readonly after?: EventPlace | undefined;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
  /** Between looks whether the stream is still the same. */
  readonly checkMs?: number;
}

/** History first, then live, in order and without gaps. They end when the stream is lost: subscribe anew. */
export interface EventSubscription {
  /** Of what is there now. */
  readonly last: EventPlace;
  /** Whether they go on after `after`; else they are all that is kept. */
  readonly goesOn: boolean;
  readonly events: AsyncGenerator<SequencedEvent, void, undefined>;
}

const CHECK_MS = 5000;

/** Facts about runs, for whoever watches. The ledger holds the truth; an event may be lost with the server. */
export class EventBus {
  constructor(private readonly connection: NatsConnection) {}

  /** Best effort, and never in the way of the work. What must arrive goes through the outbox, to `eventSubject(run)`. */
  publish(event: RunEvent): void {
    if (!this.connection.isClosed()) this.connection.publish(eventSubject(event.run), JSON.stringify(event));
  }

  async *subscribe(options: SubscriptionOptions = {}): AsyncGenerator<SequencedEvent, void, undefined> {
    const { events } = await this.open(options);
    yield* events;
  }

  async open({ run, after, signal, checkMs = CHECK_MS }: SubscriptionOptions = {}): Promise<EventSubscription> {
    const manager = await jetstreamManager(this.connection, { checkAPI: false });
    const last = placeOf(await manager.streams.info(EVENTS));
    const goesOn = after !== undefined && isBehind(after, last);
    const consumer = await jetstream(this.connection).consumers.get(EVENTS, {
      filter_subjects: eventSubject(run ?? '*'),
      ...(goesOn
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after.sequence + 1 }
        : { deliver_policy: DeliverPolicy.All }),
    });
    const messages = await consumer.consume({ max_messages: 200 });
    return { last, goesOn, events: eventsOf(manager, messages, last.stream, signal, checkMs) };
  }
}

async function* eventsOf(
  manager: JetStreamManager,
  messages: ConsumerMessages,
  stream: string,
  signal: AbortSignal | undefined,
  checkMs: number,
): AsyncGenerator<SequencedEvent, void, undefined> {
  let seen: EventPlace = { stream, sequence: 0 };
  // The client would wait in a new stream for the next sequence of the old one.
  const check = async (): Promise<void> => {
    const last = await manager.streams.info(EVENTS).then(placeOf, () => null);
    if (last !== null && !isBehind(seen, last)) end();
  };
  const checks = setInterval(() => void check(), checkMs);
  const end = (): void => void messages.close();
  signal?.addEventListener('abort', end, { once: true });
  try {
    if (signal?.aborted === true) return;
    for await (const message of messages) {
      seen = { stream, sequence: message.seq };
      const event = eventSchema.safeParse(parseJson(message.string()));
      if (event.success) yield { ...seen, event: event.data };
    }
  } finally {
    clearInterval(checks);
    signal?.removeEventListener('abort', end);
    await messages.close();
  }
}

function placeOf({ created, state }: StreamInfo): EventPlace {
  return { stream: Date.parse(created).toString(36), sequence: state.last_seq };
}

/** One of the same stream that this has not reached comes from before it lost its end. */
function isBehind(place: EventPlace, last: EventPlace): boolean {
  return place.stream === last.stream && place.sequence <= last.sequence;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
