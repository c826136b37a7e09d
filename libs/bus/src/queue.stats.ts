import { jetstreamManager, type JetStreamManager, type MsgRequest } from '@nats-io/jetstream';
import { QUEUES, type FunctionSpec } from '@solopo/functions';
import type { NatsConnection } from './connection.ts';
import { demandNats, natsFault } from './nats.fault.ts';
import { consumerName, STREAMS, WORK } from './streams.ts';

export interface QueueState {
  readonly app: string;
  readonly subject: string;
  /** Jobs that nobody works on. */
  readonly waiting: number;
  /** Jobs given to a process and not acknowledged yet. */
  readonly unacknowledged: number;
  /** Since the oldest of both was published; 0 without jobs. */
  readonly oldestSeconds: number;
  /** Everything up to this place in the stream is acknowledged. */
  readonly acknowledgedSequence: number;
}

export interface StreamState {
  readonly stream: string;
  readonly messages: number;
  readonly bytes: number;
  readonly maxBytes: number;
}

/** How the work queues stand, as the server counts. */
export class QueueStats {
  #manager: Promise<JetStreamManager> | undefined;

  constructor(private readonly connection: NatsConnection) {}

  /** @throws SolopoError `not-ready` where NATS does not answer */
  async queues(): Promise<readonly QueueState[]> {
    return this.#ask((manager) => Promise.all(QUEUES.map((spec) => queueState(manager, spec))));
  }

  /** @throws SolopoError `not-ready` where NATS does not answer */
  async streams(): Promise<readonly StreamState[]> {
    return this.#ask((manager) =>
      Promise.all(
        STREAMS.map(async ({ name }) => {
          const { state, config } = await manager.streams.info(name);
          return { stream: name, messages: state.messages, bytes: state.bytes, maxBytes: config.max_bytes };
        }),
      ),
    );
  }

  async #ask<T>(question: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    await demandNats(this.connection);
    try {
      this.#manager ??= jetstreamManager(this.connection, { checkAPI: false });
      return await question(await this.#manager);
    } catch (error) {
      throw natsFault(error);
    }
  }
}

async function queueState(manager: JetStreamManager, spec: FunctionSpec): Promise<QueueState> {
  const { app, subject } = spec;
  const info = await manager.consumers.info(WORK, consumerName(spec));
  const [waiting, unacknowledged] = [info.num_pending, info.num_ack_pending];
  const oldest = waiting + unacknowledged === 0 ? null : await oldestMessage(manager, subject);
  return {
    app,
    subject,
    waiting,
    unacknowledged,
    oldestSeconds: oldest === null ? 0 : Math.max(0, (Date.now() - oldest.getTime()) / 1000),
    acknowledgedSequence: info.ack_floor.stream_seq,
  };
}

/** An acknowledged job is gone from a work queue, so the first of a subject is its oldest. */
async function oldestMessage(manager: JetStreamManager, subject: string): Promise<Date | null> {
  // The server takes this question, the client's type lacks it.
  const query = { seq: 1, next_by_subj: subject } as unknown as MsgRequest;
  return (await manager.streams.getMessage(WORK, query))?.time ?? null;
}
