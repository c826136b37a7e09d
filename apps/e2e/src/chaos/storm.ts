import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { scratch, startProxy, type Scratch, type TestProxy } from '@solopo/testing';
import { prepareRetrieval } from '../retrieval-run.ts';
import { System, type Worker } from '../system.ts';
import { workerOf } from '../worker.processes.ts';
import { Clocks } from './clock.ts';
import { SmallDisk } from './disk.ts';
import { KEPT_WORKERS, type KeptWorker } from './plan.ts';

/** A worker that was killed, or did not run for longer than its lease. */
export interface Disturbance {
  readonly worker: string;
  readonly at: Date;
}

/** A system whose processes are kept, over servers that are reached by bad ways, with a disk and clocks of its own. */
export class Storm {
  /** Of the workers: what was theirs may be another's. */
  readonly disturbances: Disturbance[] = [];

  private constructor(
    readonly system: System,
    readonly ways: { readonly nats: TestProxy; readonly postgres: TestProxy },
    readonly disk: SmallDisk | string,
    readonly clocks: Clocks,
    readonly temporary: string,
    private readonly place: Scratch,
  ) {}

  static async start(): Promise<Storm> {
    const place = scratch('chaos');
    const [artifacts, temporary, clockFiles] = ['artifacts', 'tmp', 'clocks'].map((name) =>
      join(place.folder, name),
    ) as [string, string, string];
    for (const folder of [temporary, clockFiles]) mkdirSync(folder);
    const disk = SmallDisk.mount(artifacts, place);
    const clocks = new Clocks(clockFiles);
    const ways: TestProxy[] = [];
    const system = await System.start(
      { SOLOPO_ARTIFACTS: artifacts, TMPDIR: temporary, SOLOPO_SWEEP_MS: '2000', SOLOPO_DATABASE_LIMIT_MS: '10000' },
      {
        keeps: true,
        // A killed server has not lost what it said is committed.
        database: { synchronous_commit: 'on' },
        settingsOf: (service) => (service === 'migrator' ? {} : clocks.settings(service)),
        route: async (url) => {
          const way = await startProxy(Number(new URL(url).port));
          ways.push(way);
          return Object.assign(new URL(url), { port: String(way.port) }).href;
        },
      },
    );
    const [postgres, nats] = ways as [TestProxy, TestProxy];
    const storm = new Storm(system, { nats, postgres }, disk, clocks, temporary, place);
    await prepareRetrieval(system);
    for (const name of KEPT_WORKERS) system.startWorker(kindOf(name), {}, name);
    return storm;
  }

  /** It is about to be killed, or stopped for longer than its lease. */
  disturbs(name: KeptWorker): number {
    const pid = this.system.pid(name);
    if (pid === undefined) throw new Error(`${name} is not kept; start it first.`);
    this.disturbances.push({ worker: workerOf(pid), at: new Date() });
    return pid;
  }

  /** In order; what is left of them then is nobody's. */
  async stopServices(): Promise<void> {
    await Promise.all([...KEPT_WORKERS, 'gateway'].map((name) => this.system.stop(name)));
  }

  async close(): Promise<void> {
    await this.system.close();
    await Promise.all(Object.values(this.ways).map((way) => way.stop()));
    await this.place.remove();
  }
}

export function kindOf(name: KeptWorker): Worker {
  return name === 'datagen-2' ? 'datagen' : name;
}
