import { Logger } from '@nestjs/common';
import { jetstream, JetStreamApiError, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from './connection.ts';

export interface OutboxRow {
  readonly id: number;
  readonly subject: string;
  /** A row published twice in the stream's window is stored once. */
  readonly messageId: string;
  readonly payload: unknown;
}

/** What the relay asks of the ledger. */
export interface OutboxStore {
  transaction<T>(work: (tx: { readonly outbox: OutboxRows }) => Promise<T>): Promise<T>;
  /** Calls back after a commit that put something into the outbox. Ends with the returned function. */
  onOutbox(callback: () => void): Promise<() => Promise<void>>;
}

export interface OutboxRows {
  /** The oldest unpublished rows that no other relay holds, held until the transaction ends. */
  claim(limit: number): Promise<readonly OutboxRow[]>;
  markPublished(ids: readonly number[]): Promise<void>;
  /** Deletes what was published longer ago than that. */
  prune(olderThanMs: number): Promise<unknown>;
}

const BATCH = 100;
/** Between rounds that nobody asked for: the ledger's notifications may get lost with their connection. */
const IDLE_MS = 200;
const LONGEST_PAUSE_MS = 2000;
const PUBLISH_LIMIT_MS = 3000;
/** Published rows are kept for so long, for people who look into what happened. */
const KEPT_MS = 60 * 60_000;
const PRUNE_EVERY_MS = 5 * 60_000;
/** The server's code for a stream that is full and refuses more. */
const STREAM_FULL = 10_077;

/** Brings committed rows to NATS, at least once and soon. With NATS away, or its stream full, they wait in the ledger. */
export class OutboxRelay {
  readonly #jetstream: JetStreamClient;
  readonly #logger = new Logger(OutboxRelay.name);
  #running: Promise<void> | undefined;
  #stopped = false;
  #failures = 0;
  #prunedAt = -Infinity;
  #poked = false;
  #wake: (() => void) | undefined;
  #flushed: (() => void)[] = [];

  constructor(
    connection: NatsConnection,
    private readonly store: OutboxStore,
  ) {
    this.#jetstream = jetstream(connection);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There is something new: call it right after a commit. */
  poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  /**
   * Resolves when what was committed before is published, or could not be and waits in the ledger. Whoever acknowledges a
   * job only then leaves no moment in which the queues look empty although there is work.
   */
  flush(): Promise<void> {
    if (this.#running === undefined || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#flushed.push(resolve);
      this.poke();
    });
  }

  /** One last round, so that what was just committed does not wait for another process. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
    for (const resolve of this.#flushed.splice(0)) resolve();
    if (this.#failures === 0) await this.#round();
  }

  async #run(): Promise<void> {
    const ignore = await this.store
      .onOutbox(() => this.poke())
      .catch((error: unknown) => {
        this.#logger.warn({ error }, 'the outbox is polled, for it cannot be listened to');
        return () => Promise.resolve();
      });
    await this.#rounds();
    await ignore();
  }

  async #rounds(): Promise<void> {
    while (!this.#stopped) {
      this.#poked = false;
      const waiting = this.#flushed.splice(0);
      let more = await this.#round();
      while (more && waiting.length > 0) more = await this.#round();
      for (const resolve of waiting) resolve();
      if (more || this.#stopped) continue;
      const pauseMs = this.#failures === 0 ? IDLE_MS : Math.min(IDLE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
      await this.#sleep(pauseMs);
    }
  }

  /** Whether there is more to do at once. */
  async #round(): Promise<boolean> {
    try {
      const { rows, failure } = await this.store.transaction((tx) => this.#publishBatch(tx.outbox));
      if (failure !== undefined) throw failure;
      if (this.#failures > 0) this.#logger.log('the outbox flows again');
      this.#failures = 0;
      await this.#prune();
      return rows === BATCH;
    } catch (error) {
      this.#failures++;
      const full = error instanceof JetStreamApiError && error.code === STREAM_FULL;
      if (this.#failures === 1)
        this.#logger.warn(
          { error },
          full ? 'the work queue is full; the outbox waits' : 'the outbox cannot be published; it waits',
        );
      return false;
    }
  }

  async #prune(): Promise<void> {
    const now = performance.now();
    if (now - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = now;
    await this.store.transaction(({ outbox }) => outbox.prune(KEPT_MS));
  }

  async #publishBatch(outbox: OutboxRows): Promise<{ readonly rows: number; readonly failure?: Error }> {
    const rows = await outbox.claim(BATCH);
    if (rows.length === 0) return { rows: 0 };
    const results = await Promise.allSettled(rows.map((row) => this.#publish(row)));
    const published = rows.filter((_, index) => results[index]?.status === 'fulfilled');
    if (published.length > 0) await outbox.markPublished(published.map((row) => row.id));
    const failed = results.find((result) => result.status === 'rejected');
    return failed === undefined ? { rows: rows.length } : { rows: rows.length, failure: failed.reason as Error };
  }

  async #publish(row: OutboxRow): Promise<void> {
    await this.#jetstream.publish(row.subject, JSON.stringify(row.payload), {
      msgID: row.messageId,
      timeout: PUBLISH_LIMIT_MS,
    });
  }

  #sleep(ms: number): Promise<void> {
    if (this.#poked && this.#failures === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
