import { setTimeout as sleep } from 'node:timers/promises';
import { RestartPolicy } from './restart.policy.ts';
import { endedAgainAndAgain, type ServiceProcess } from './service.process.ts';

export interface Kept {
  /** Of crashes in a row, once. */
  readonly tell: (line: string) => void;
  /** Where it was never up so far: it does not start again. */
  readonly giveUp: (error: Error) => void;
}

/** One process that starts again when it crashes, until it is stopped. */
export class KeptService {
  readonly #restarts = new RestartPolicy();
  readonly #stopped = new AbortController();
  readonly #kept: Promise<void>;
  #wasUp = false;

  private constructor(
    private readonly spawn: () => Promise<ServiceProcess>,
    private current: ServiceProcess,
    private readonly kept: Kept,
  ) {
    this.#kept = this.#keep();
  }

  static async start(spawn: () => Promise<ServiceProcess>, kept: Kept): Promise<KeptService> {
    return new KeptService(spawn, await spawn(), kept);
  }

  /** It works: from now on it is kept, however often it crashes. */
  isUp(): void {
    this.#wasUp = true;
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
      const { isTelling, waitMs } = this.#restarts.crashed(now - this.current.startedAt, now);
      if (isTelling) {
        const told = endedAgainAndAgain(this.current.name, exit);
        if (!this.#wasUp) return this.kept.giveUp(new Error(told));
        this.kept.tell(`${told} It starts again.`);
      }
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      this.current = await this.spawn();
      if (signal.aborted) return this.current.stop();
    }
  }
}
