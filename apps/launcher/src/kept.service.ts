import { setTimeout as sleep } from 'node:timers/promises';
import { RestartPolicy } from './restart.policy.ts';
import { endedAgainAndAgain, type ServiceProcess } from './service.process.ts';

/** One process that starts again when it crashes, until it is stopped or crashes too often. */
export class KeptService {
  readonly #restarts = new RestartPolicy();
  readonly #stopped = new AbortController();
  readonly #kept: Promise<void>;

  private constructor(
    private readonly spawn: () => Promise<ServiceProcess>,
    private current: ServiceProcess,
    private readonly giveUp: (error: Error) => void,
  ) {
    this.#kept = this.#keep();
  }

  static async start(spawn: () => Promise<ServiceProcess>, giveUp: (error: Error) => void): Promise<KeptService> {
    return new KeptService(spawn, await spawn(), giveUp);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.current.stop();
    await this.#kept;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopped;
    for (;;) {
      const exit = await this.current.exited;
      if (signal.aborted) return;
      const now = Date.now();
      if (!this.#restarts.crashed(now - this.current.startedAt, now))
        return this.giveUp(endedAgainAndAgain(this.current.name, exit));
      await sleep(this.#restarts.waitMs(now), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      this.current = await this.spawn();
      if (signal.aborted) return this.current.stop();
    }
  }
}
