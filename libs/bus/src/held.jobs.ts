import { jetstreamManager, type JetStreamManager, type MsgRequest } from '@nats-io/jetstream';
import { jobSchema, type Job } from '@solopo/contracts';
import { QUEUES, type FunctionSpec } from '@solopo/functions';
import type { NatsConnection } from './connection.ts';
import { consumerName, WORK } from './streams.ts';

/** The jobs in the work queue's stream, whether they wait or a process works on them. They are read, and stay for the workers. */
export class HeldJobs {
  #manager: Promise<JetStreamManager> | undefined;

  constructor(private readonly connection: NatsConnection) {}

  /** Messages of each subject; of one that is missing there are none. */
  async counts(): Promise<ReadonlyMap<string, number>> {
    const manager = await this.#open();
    const { state } = await manager.streams.info(WORK, { subjects_filter: '>' });
    return new Map(Object.entries(state.subjects ?? {}));
  }

  /** One question each: for a queue that is found to lack something. */
  async *of(subject: string): AsyncGenerator<Job, void, undefined> {
    const manager = await this.#open();
    for (let seq = 1; ;) {
      // The server takes this question, the client's type lacks it.
      const query = { seq, next_by_subj: subject } as unknown as MsgRequest;
      const message = await manager.streams.getMessage(WORK, query);
      if (message === null) return;
      seq = message.seq + 1;
      const job = jobSchema.safeParse(parseJson(message.string()));
      if (job.success) yield job.data;
    }
  }

  /**
   * Queues whose consumer does not see all that the stream holds: a stream that lost its end gives new messages the sequences that the
   * consumer has behind it, and brings back acknowledged ones. Ask twice before you believe it: the two are counted one after the other.
   */
  async unseen(): Promise<readonly FunctionSpec[]> {
    const manager = await this.#open();
    const before = await this.counts();
    const seen = new Map<FunctionSpec, number>();
    for (const spec of QUEUES.filter(({ subject }) => before.has(subject))) {
      const { num_pending, num_ack_pending } = await manager.consumers.info(WORK, consumerName(spec));
      seen.set(spec, num_pending + num_ack_pending);
    }
    if (seen.size === 0) return [];
    const after = await this.counts();
    const least = (subject: string) => Math.min(before.get(subject) ?? 0, after.get(subject) ?? 0);
    return [...seen].filter(([{ subject }, jobs]) => least(subject) > jobs).map(([spec]) => spec);
  }

  async #open(): Promise<JetStreamManager> {
    this.#manager ??= jetstreamManager(this.connection, { checkAPI: false });
    return this.#manager;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
