import { jetstreamManager, type JetStreamManager, type MsgRequest } from '@nats-io/jetstream';
import { jobSchema, type Job } from '@solopo/contracts';
import type { NatsConnection } from './connection.ts';
import { WORK } from './streams.ts';

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
