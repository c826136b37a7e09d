import { DeliverPolicy, jetstream, jetstreamManager, type OrderedConsumerOptions } from '@nats-io/jetstream';
import { eventSchema, type RunEvent } from '@solopo/contracts';
import type { NatsConnection } from './connection.ts';
import { EVENTS, eventSubject } from './streams.ts';

export interface SequencedEvent {
  /** Its place in the stream: give it as `after` to go on from there. */
  readonly sequence: number;
  readonly event: RunEvent;
}

export interface SubscriptionOptions {
  /** One run's events; every run's when absent. */
  readonly run?: string;
  /** Only what came after this sequence; everything still kept when absent. */
  readonly after?: number;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

/** Facts about runs, for whoever watches. The ledger holds the truth; an event may be lost with the server. */
export class EventBus {
  constructor(private readonly connection: NatsConnection) {}

  /** Best effort, and never in the way of the work. What must arrive goes through the outbox, to `eventSubject(run)`. */
  publish(event: RunEvent): void {
    if (!this.connection.isClosed()) this.connection.publish(eventSubject(event.run), JSON.stringify(event));
  }

  /** History first, then live, in order and without gaps. */
  async *subscribe({ run, after, signal }: SubscriptionOptions = {}): AsyncGenerator<SequencedEvent, void, undefined> {
    const consumer = await jetstream(this.connection).consumers.get(EVENTS, {
      filter_subjects: eventSubject(run ?? '*'),
      ...(await this.#start(after)),
    });
    const messages = await consumer.consume({ max_messages: 200 });
    const end = (): void => void messages.close();
    signal?.addEventListener('abort', end, { once: true });
    try {
      if (signal?.aborted === true) return;
      for await (const message of messages) {
        const event = eventSchema.safeParse(parseJson(message.string()));
        if (event.success) yield { sequence: message.seq, event: event.data };
      }
    } finally {
      signal?.removeEventListener('abort', end);
      await messages.close();
    }
  }

  /** The latest event's; 0 before there is any. */
  async lastSequence(): Promise<number> {
    const manager = await jetstreamManager(this.connection);
    return (await manager.streams.info(EVENTS)).state.last_seq;
  }

  /** A sequence that the stream has not reached comes from a stream that is gone: then all of this one is new. */
  async #start(after: number | undefined): Promise<Partial<OrderedConsumerOptions>> {
    if (after === undefined) return { deliver_policy: DeliverPolicy.All };
    if (after > (await this.lastSequence())) return { deliver_policy: DeliverPolicy.All };
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
