import type { NatsConnection, Subscription } from '@nats-io/transport-node';

/** Hears that jobs are published. What is given back or delivered again is not heard of: look from time to time. */
export class News {
  readonly #subscriptions: readonly Subscription[];
  #heard = false;
  #wake: () => void = () => undefined;

  constructor(connection: NatsConnection, subjects: readonly string[]) {
    // Without the permission an error comes in place of news.
    this.#subscriptions = subjects.map((subject) => connection.subscribe(subject, { callback: () => this.#hear() }));
  }

  /** Waits for news since the last call; false when there was none. */
  async heardWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    await new Promise<void>((resolve) => {
      if (this.#heard || signal.aborted) return resolve();
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
      this.#wake = end;
    });
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  end(): void {
    for (const subscription of this.#subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
  }

  #hear(): void {
    this.#heard = true;
    this.#wake();
  }
}
