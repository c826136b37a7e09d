import {
  APPS,
  isOverRanks,
  ONE_RANK,
  type App,
  type DeviceChoice,
  type Pool,
  type RankLayout,
} from '@solopo/functions';
import { freePort, startNats, startPostgres, type LocalServer } from '@solopo/local-servers';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseUsers } from './database.users.ts';
import { KeptService } from './kept.service.ts';
import type { LineWriter, LogBook } from './log.book.ts';
import { NatsUsers, type NatsUser } from './nats.users.ts';
import { QueueProbe } from './queue.probe.ts';
import { Scaler } from './scaler.ts';
import { inherited } from './service.environment.ts';
import { signingKey } from './signing.key.ts';
import type { ServicePlan } from './service.plan.ts';
import { describeExit, ServiceProcess } from './service.process.ts';
import type { StateFile } from './state.file.ts';
import { WorkerPool } from './worker.pool.ts';

export interface SystemOptions {
  readonly plan: ServicePlan;
  readonly state: StateFile;
  readonly logs: LogBook;
  /** Whether the logs are on the terminal too. */
  readonly isEchoing: boolean;
  /** The gateway's; a free one when absent. */
  readonly port: number | undefined;
  /** Engine threads of each worker. */
  readonly threads: number;
  /** Of a worker that is the only one of its app; `threads` without it. */
  readonly loneThreads?: number | undefined;
  /** Where they compute; what the manifest of functions says when undefined. */
  readonly device: DeviceChoice | undefined;
  /** Of the apps whose work ranks can share; the others compute in one process. */
  readonly layout: RankLayout;
  /** A Python with the torch engine; undefined where there is none. */
  readonly torchPython: string | undefined;
  readonly signal: AbortSignal;
}

const READY_TIMEOUT_MS = 60_000;

/** A folder under the data, unless the environment names a bucket; then that one, with copies of what is used under the data. */
function artifactsOf(dataDir: string, env = process.env): NodeJS.ProcessEnv {
  const { SOLOPO_ARTIFACTS: named = '', SOLOPO_ARTIFACTS_CACHE: cache = join(dataDir, 'artifacts-cache') } = env;
  if (named.startsWith('s3:')) return { SOLOPO_ARTIFACTS: named, SOLOPO_ARTIFACTS_CACHE: cache };
  return { SOLOPO_ARTIFACTS: join(dataDir, 'artifacts') };
}

/** Everything that runs under one data folder, started in the order of its needs and stopped in the opposite one. */
export class System {
  /** Rejects when the system cannot go on; never resolves. */
  readonly broken: Promise<never>;
  api = '';
  readonly #break: (error: Error) => void;
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #options: SystemOptions;
  readonly #log: LineWriter;
  #stopping: Promise<void> | undefined;

  private constructor(options: SystemOptions) {
    this.#options = options;
    this.#log = options.logs.writer('launcher');
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    this.broken = broken.promise;
    this.#break = broken.reject;
  }

  static async start(options: SystemOptions): Promise<System> {
    const system = new System(options);
    try {
      await system.#start();
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  /** May be called twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  async #start(): Promise<void> {
    const { dataDir } = this.#options.state;
    const { signal, plan, state, torchPython } = this.#options;
    const engines = torchPython === undefined ? (['onnx'] as const) : (['onnx', 'torch'] as const);

    const postgres = await this.#server('postgres', (log) =>
      startPostgres({ dataDir: join(dataDir, 'postgres'), log }),
    );
    signal.throwIfAborted();
    const users = await NatsUsers.make(dataDir);
    const nats = await this.#server('nats', (log) =>
      startNats({ dataDir: join(dataDir, 'nats'), config: users.config, log }),
    );
    signal.throwIfAborted();

    const port = this.#options.port ?? (await freePort());
    const env: NodeJS.ProcessEnv = {
      ...artifactsOf(dataDir),
      SOLOPO_HTTP_HOST: '127.0.0.1',
      ...(this.#options.device && { SOLOPO_DEVICE: this.#options.device }),
      SOLOPO_ENGINES: engines.join(','),
      ...(torchPython !== undefined && { SOLOPO_TORCH_PYTHON: torchPython }),
    };
    const logins = new DatabaseUsers(postgres.url);
    const envOf = (user: Exclude<NatsUser, 'launcher'>): NodeJS.ProcessEnv => ({
      ...inherited(user === 'gateway' ? 'gateway' : 'other'),
      ...env,
      ...(user === 'migrator' ? logins.all : { SOLOPO_DATABASE_URL: logins.url(user) }),
      SOLOPO_NATS_URL: users.url(user, nats.url),
    });
    await this.#migrate(envOf('migrator'));
    signal.throwIfAborted();

    const pools = APPS.map((app): Pool => ({ name: app, app, engines, ...this.#layoutOf(app) }));
    const signing = await signingKey(dataDir);
    const gatewayEnv = {
      ...envOf('gateway'),
      ...signing,
      SOLOPO_HTTP_PORT: `${port}`,
      SOLOPO_POOLS: JSON.stringify(pools),
    };
    const gateway = await KeptService.start(() => this.#service('gateway', plan.gateway, gatewayEnv), {
      tell: this.#tell,
      giveUp: this.#break,
    });
    this.#undo.push(() => gateway.stop());
    this.api = `http://127.0.0.1:${port}`;
    await this.#ready(this.api);
    gateway.isUp();
    state.announce(this.api);

    const pool = new WorkerPool(async (app, id) => {
      this.#log(`starting ${id}`);
      const { threads, loneThreads = threads } = this.#options;
      const ofApp = plan.scales[app].max === 1 ? loneThreads : threads;
      const { ranks, nodes, sequenceRanks } = this.#layoutOf(app);
      const workerEnv = {
        ...envOf(app),
        SOLOPO_THREADS: `${ofApp}`,
        SOLOPO_RANKS: `${ranks}`,
        SOLOPO_NODES: `${nodes}`,
        SOLOPO_SEQUENCE_RANKS: `${sequenceRanks}`,
        SOLOPO_HTTP_PORT: `${await freePort()}`,
      };
      return this.#service(id, plan.workers[app], workerEnv);
    }, this.#tell);
    const probe = await QueueProbe.open(users.url('launcher', nats.url), postgres.url, engines);
    const scaler = new Scaler(probe, pool, plan.scales, this.#log);
    this.#undo.push(() => scaler.stop());
    scaler.run();
  }

  /** In the log, and on the terminal also where the logs are not. */
  readonly #tell = (line: string): void => {
    this.#log(line);
    if (!this.#options.isEchoing) console.error(line);
  };

  #layoutOf(app: App): RankLayout {
    return isOverRanks(app) ? this.#options.layout : ONE_RANK;
  }

  async #stopInOrder(): Promise<void> {
    for (const undo of this.#undo.toReversed()) await undo();
  }

  async #server<S extends LocalServer>(name: string, start: (log: LineWriter) => Promise<S>): Promise<S> {
    const server = await start(this.#options.logs.writer(name));
    this.#options.state.add(name, server.pid);
    this.#undo.push(async () => {
      await server.stop();
      this.#options.state.remove(server.pid);
    });
    void server.exited.then((exit) => {
      if (this.#stopping === undefined)
        this.#break(new Error(`${name} ended with ${describeExit(exit)}; read ${this.#options.logs.path(name)}.`));
    });
    return server;
  }

  async #service(
    name: string,
    script: string,
    env: NodeJS.ProcessEnv,
    log: LineWriter = this.#options.logs.writer(name),
  ): Promise<ServiceProcess> {
    const service = await ServiceProcess.start(name, script, env, log);
    this.#options.state.add(name, service.pid);
    void service.exited.then((exit) => {
      this.#options.state.remove(service.pid);
      if (!service.stopping) this.#log(`${name} ended with ${describeExit(exit)}`);
    });
    return service;
  }

  async #migrate(env: NodeJS.ProcessEnv): Promise<void> {
    const { plan, logs, signal } = this.#options;
    const lines: string[] = [];
    const write = logs.writer('migrator');
    const migrator = await this.#service('migrator', plan.migrator, env, (line) => {
      lines.push(line);
      write(line);
    });
    const abort = () => void migrator.stop();
    signal.addEventListener('abort', abort);
    const exit = await migrator.exited;
    signal.removeEventListener('abort', abort);
    if (exit.code === 0 || migrator.stopping) return;
    throw new Error(
      `The migrator ended with ${describeExit(exit)}; mend what it says, then start again.\n${lines.slice(-20).join('\n')}`,
    );
  }

  async #ready(api: string): Promise<void> {
    const signal = this.#options.signal;
    const answers = async () => {
      const deadline = Date.now() + READY_TIMEOUT_MS;
      for (;;) {
        const ready = await fetch(`${api}/readyz`, {
          signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]),
        }).catch(() => undefined);
        await ready?.arrayBuffer();
        if (ready?.ok) return;
        signal.throwIfAborted();
        if (Date.now() > deadline)
          throw new Error(
            `The gateway was not ready after ${READY_TIMEOUT_MS / 1000} s; read ${this.#options.logs.path('gateway')}.`,
          );
        await sleep(100);
      }
    };
    await Promise.race([answers(), this.broken]);
  }
}
