import type { App } from '@solopo/functions';
import { RestartPolicy } from './restart.policy.ts';
import type { WorkerView } from './scale.policy.ts';
import { endedAgainAndAgain, type ServiceProcess } from './service.process.ts';

interface Worker {
  readonly id: string;
  readonly app: App;
  readonly process: ServiceProcess;
  busyAt: number;
}

/** The worker processes that run now. A crashed one may start again a little later: a job that ends its processes becomes a dead letter. */
export class WorkerPool {
  readonly #workers = new Map<string, Worker>();
  readonly #restarts = new Map<App, RestartPolicy>();

  constructor(
    private readonly spawn: (app: App, id: string) => Promise<ServiceProcess>,
    private readonly tell: (line: string) => void,
  ) {}

  get workers(): readonly WorkerView[] {
    return [...this.#workers.values()].filter((worker) => !worker.process.stopping);
  }

  markBusy(app: App, now: number): void {
    for (const worker of this.#workers.values()) if (worker.app === app) worker.busyAt = now;
  }

  async start(app: App): Promise<void> {
    const now = Date.now();
    if (this.#restartsOf(app).waitMs(now) > 0) return;
    const id = this.#freeId(app);
    const process = await this.spawn(app, id);
    const worker: Worker = { id, app, process, busyAt: now };
    this.#workers.set(id, worker);
    void this.#watch(worker);
  }

  async stop(id: string): Promise<void> {
    await this.#workers.get(id)?.process.stop();
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#workers.keys()].map((id) => this.stop(id)));
  }

  async #watch(worker: Worker): Promise<void> {
    const exit = await worker.process.exited;
    this.#workers.delete(worker.id);
    if (worker.process.stopping) return;
    const now = Date.now();
    const { isTelling, waitMs } = this.#restartsOf(worker.app).crashed(now - worker.process.startedAt, now);
    if (isTelling)
      this.tell(`${endedAgainAndAgain(worker.id, exit)} It starts again, after ${waitMs / 1000} s or more.`);
  }

  #restartsOf(app: App): RestartPolicy {
    const policy = this.#restarts.get(app) ?? new RestartPolicy();
    this.#restarts.set(app, policy);
    return policy;
  }

  #freeId(app: App): string {
    for (let n = 1; ; n++) if (!this.#workers.has(`${app}-${n}`)) return `${app}-${n}`;
  }
}
