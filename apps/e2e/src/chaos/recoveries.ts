import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { System } from '../system.ts';
import { workerOf } from '../worker.processes.ts';
import type { Fault, KeptWorker, Target } from './plan.ts';

interface Waiting {
  readonly fault: Fault;
  readonly from: number;
}

const EVERY_MS = 250;

/**
 * How long after a fault its target does again what it is for: a worker has done a job that it took since, the gateway is ready, and for
 * servers any worker has done a job.
 */
export class Recoveries {
  readonly seconds = new Map<number, number>();
  readonly #stopping = new AbortController();
  #waiting: Waiting[] = [];
  readonly #watching: Promise<void>;

  constructor(
    private readonly system: System,
    private readonly pool: pg.Pool,
  ) {
    this.#watching = this.#watch();
  }

  await(fault: Fault, from: number): void {
    this.#waiting.push({ fault, from });
  }

  /** Those that wait still had nothing to do any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const well = await Promise.all(this.#waiting.map((each) => this.#isWell(each).catch(() => false)));
      const now = Date.now();
      this.#waiting = this.#waiting.filter(({ fault, from }, index) => {
        if (well[index] === true) this.seconds.set(fault.number, (now - from) / 1000);
        return well[index] !== true;
      });
      await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #isWell({ fault: { target }, from }: Waiting): Promise<boolean> {
    if (target === 'gateway') return (await this.system.api.get('/readyz')).status === 200;
    const { rowCount } = await this.pool.query(
      `select 1 from attempts where outcome in ('completed', 'continued') and started_at > $1 and ($2::text is null or worker = $2) limit 1`,
      [new Date(from), this.#workerOf(target)],
    );
    return rowCount === 1;
  }

  #workerOf(target: Exclude<Target, 'gateway'>): string | null {
    if (target === 'nats' || target === 'postgres' || target === 'disk') return null;
    return workerOf(this.system.pid(target satisfies KeptWorker) ?? 0);
  }
}
