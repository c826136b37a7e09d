import type { App } from '@solopo/functions';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LineWriter } from './log.book.ts';
import type { QueueProbe } from './queue.probe.ts';
import { decideScale, type Lags, type Scale } from './scale.policy.ts';
import type { WorkerPool } from './worker.pool.ts';

const TICK_MS = 300;

/** Starts a worker on the first waiting job, and stops it when there was none for a while. */
export class Scaler {
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #complaint = '';

  constructor(
    private readonly probe: QueueProbe,
    private readonly pool: WorkerPool,
    private readonly scales: Readonly<Record<App, Scale>>,
    private readonly log: LineWriter,
  ) {}

  run(): void {
    this.#loop = this.#tickUntilStopped();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
    await this.pool.stopAll();
    await this.probe.close();
  }

  async #tickUntilStopped(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#scale(await this.probe.read());
        this.#complaint = '';
      } catch (error) {
        this.#complain(error);
      }
      await sleep(TICK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #scale(lags: Lags): Promise<void> {
    const now = Date.now();
    for (const app of Object.keys(lags) as App[]) if ((lags[app] ?? 0) > 0) this.pool.markBusy(app, now);
    const { start, stop } = decideScale(lags, this.pool.workers, this.scales, now);
    for (const id of stop) {
      this.log(`${id} is idle: stopping it`);
      void this.pool.stop(id);
    }
    for (const app of start) await this.pool.start(app);
  }

  /** Once for each streak: the next tick tries again. */
  #complain(error: unknown): void {
    const complaint = error instanceof Error ? error.message : String(error);
    if (complaint !== this.#complaint) this.log(`cannot read the queues, trying again: ${complaint}`);
    this.#complaint = complaint;
  }
}
