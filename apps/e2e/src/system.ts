import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, provisionStreams } from '@solopo/bus';
import type { RunConfigInput, RunView } from '@solopo/contracts';
import { FUNCTIONS, type FunctionSpec } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import { freePort } from '@solopo/local-servers';
import {
  startNats,
  startPgBouncer,
  startPostgres,
  waitFor,
  type TestNats,
  type TestPgBouncer,
  type TestPostgres,
} from '@solopo/testing';
import request from 'supertest';

const APPS = fileURLToPath(new URL('../..', import.meta.url));
export const DATA = fileURLToPath(new URL('../../../data', import.meta.url));

/** Whose logins the migrator makes. */
const ROLES = ['gateway', 'datagen', 'reward', 'trainer'];

export type Worker = 'datagen' | 'reward' | 'trainer';

export interface SystemOptions {
  /** The services, but for the migrator, reach Postgres through PgBouncer in transaction mode. */
  readonly isPooled?: boolean;
  /** The way by which services reach a server, in place of its address. */
  readonly route?: (url: string) => Promise<string>;
  /** Of the services' environment, by the name of each. */
  readonly settingsOf?: (service: string) => Readonly<Record<string, string>>;
  /** A service that ends is started again, as by whoever keeps services. */
  readonly keeps?: boolean;
  /** Of Postgres. */
  readonly database?: Readonly<Record<string, string>>;
}

const START_AGAIN_MS = 300;

/** The whole system as processes of its own, over a real Postgres and a real nats-server. */
export class System {
  readonly #services = new Map<string, ChildProcess>();
  readonly artifacts: string;
  readonly output: string[] = [];
  #pooler: TestPgBouncer | undefined;

  private constructor(
    readonly postgres: TestPostgres,
    readonly nats: TestNats,
    readonly ledger: Ledger,
    readonly databaseUrl: string,
    private readonly ways: { readonly database: string; readonly nats: string },
    readonly gatewayPort: number,
    readonly env: Readonly<Record<string, string>>,
    readonly options: SystemOptions,
  ) {
    this.artifacts = env['SOLOPO_ARTIFACTS'] ?? mkdtempSync(join(tmpdir(), 'solopo-e2e-'));
  }

  /** @param env more of it, for every service */
  static async start(env: Readonly<Record<string, string>> = {}, options: SystemOptions = {}): Promise<System> {
    const { isPooled = false, database = {}, route = (url) => Promise.resolve(url) } = options;
    const [postgres, nats] = await Promise.all([startPostgres({ settings: database }), startNats()]);
    const databaseUrl = await postgres.createDatabase();
    const ways = { database: await route(databaseUrl), nats: await route(nats.url) };
    const ledger = Ledger.open(databaseUrl);
    const system = new System(postgres, nats, ledger, databaseUrl, ways, await freePort(), env, options);
    const migrator = system.#spawn('migrator');
    const code = await new Promise((resolve) => migrator.once('exit', resolve));
    if (code !== 0) throw new Error(`the migrator failed:\n${system.output.join('')}`);
    if (isPooled) system.#pooler = await startPgBouncer([databaseUrl, ...ROLES.map((role) => system.#urlOf(role))]);
    await system.startGateway();
    return system;
  }

  get api() {
    return request(`http://127.0.0.1:${this.gatewayPort}`);
  }

  async startGateway(): Promise<void> {
    this.#spawn('gateway');
    await this.gatewayIsReady();
  }

  async gatewayIsReady(): Promise<void> {
    await waitFor(
      'the gateway is ready',
      () =>
        this.api.get('/readyz').then(
          ({ status }) => status === 200,
          () => false,
        ),
      90_000,
    );
  }

  startWorkers(...workers: readonly Worker[]): void {
    for (const worker of workers) this.#spawn(worker);
  }

  /** As Prometheus does, once the service is ready. Its log says where: `SOLOPO_LOG_LEVEL` must be info. */
  async scrape(service: Worker | 'gateway'): Promise<string> {
    const ready = new RegExp(`"service":"${service}","url":"([^"]+)"`);
    const [, url] = await waitFor(`${service} is ready`, () => ready.exec(this.output.join('')) ?? undefined, 90_000);
    return (await fetch(`${url}/metrics`)).text();
  }

  /**
   * @param settings of its environment, over those of the system
   * @param name for a second one of the kind
   */
  startWorker(worker: Worker, settings: Readonly<Record<string, string>> = {}, name: string = worker): void {
    this.#spawn(worker, settings, name);
  }

  /** How long the work queues wait for a sign of life; before workers are started, which read it then. */
  async setAckWait(ackWaitMs: number): Promise<void> {
    const connection = await connectNats(this.nats.url, 'e2e');
    const functions = Object.values<FunctionSpec>(FUNCTIONS).map((spec) => ({ ...spec, ackWaitMs }));
    await provisionStreams(connection, { functions });
    await connection.close();
  }

  pid(service: string): number | undefined {
    return this.#services.get(service)?.pid;
  }

  /** `SIGKILL`: as a power cut would. `SIGTERM`: in order. */
  async stop(service: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#services.get(service);
    if (!child) return;
    this.#services.delete(service);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#services.keys()].map((service) => this.stop(service, 'SIGKILL')));
    await this.ledger.close();
    await this.#pooler?.stop();
    await Promise.all([this.postgres.stop(), this.nats.stop()]);
    // What lies elsewhere is somebody else's.
    if (this.env['SOLOPO_ARTIFACTS'] === undefined) rmSync(this.artifacts, { recursive: true, force: true });
  }

  /** Uploads a Hugging Face folder and registers it. */
  async registerModel(name: string, folder: string): Promise<string> {
    const files: Record<string, string> = {};
    for (const file of readdirSync(folder).filter((entry) => /\.(json|safetensors|jinja)$/.test(entry))) {
      const stored = await this.api
        .post('/v1/artifacts')
        .type('application/octet-stream')
        .send(await readFile(join(folder, file)))
        .expect(201);
      files[file] = (stored.body as { digest: string }).digest;
    }
    const model = await this.api.post('/v1/models').send({ name, files }).expect(201);
    return (model.body as { digest: string }).digest;
  }

  async importDataset(name: string, lines: string, format = 'solopo'): Promise<void> {
    await this.api.post('/v1/datasets').query({ name, format }).type('application/x-ndjson').send(lines).expect(201);
  }

  async createRun(config: RunConfigInput): Promise<RunView> {
    const created = await this.api.post('/v1/runs').send(config).expect(201);
    return created.body as RunView;
  }

  /** From the ledger, so that it works without a gateway. */
  async finished(run: string, timeoutMs = 120_000): Promise<RunView> {
    const view = await waitFor(
      `run ${run} ends`,
      async () => {
        const current = await this.ledger.runs.view(run);
        return current.state === 'running' ? undefined : current;
      },
      timeoutMs,
    ).catch(async (error: unknown) => {
      throw new Error(
        `${String(error)}\n${JSON.stringify(await this.ledger.runs.view(run), null, 1)}\n${this.output.join('').slice(-8000)}`,
      );
    });
    return view;
  }

  /** Each service has its own login and least privileges; the migrator, who makes them, has the owner's. */
  #databaseOf(service: string): Record<string, string> {
    if (service !== 'migrator') return { SOLOPO_DATABASE_URL: this.#urlOf(service) };
    const logins = ROLES.map((role): [string, string] => [
      `SOLOPO_${role.toUpperCase()}_DATABASE_URL`,
      this.#urlOf(role),
    ]);
    return { ...Object.fromEntries(logins), SOLOPO_DATABASE_URL: this.ways.database };
  }

  #urlOf(role: string): string {
    const address = new URL(this.#pooler?.url ?? this.ways.database);
    return Object.assign(address, { username: `e2e_${role}`, password: `of-${role}` }).href;
  }

  #spawn(service: string, settings: Readonly<Record<string, string>> = {}, name = service): ChildProcess {
    const child = spawn(process.execPath, [join(APPS, service, 'dist/main.js')], {
      env: {
        PATH: process.env['PATH'],
        ...this.#databaseOf(service),
        SOLOPO_NATS_URL: this.ways.nats,
        SOLOPO_ARTIFACTS: this.artifacts,
        SOLOPO_LOG_LEVEL: 'warn',
        ...this.env,
        ...(service === 'gateway' ? { SOLOPO_HTTP_PORT: String(this.gatewayPort) } : {}),
        ...this.options.settingsOf?.(name),
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => this.output.push(`[${name}] ${chunk.toString()}`));
    const end = (): void => void child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => {
      process.off('exit', end);
      if (this.options.keeps === true && service !== 'migrator') this.#startAgain(child, service, settings, name);
    });
    this.#services.set(name, child);
    return child;
  }

  #startAgain(ended: ChildProcess, service: string, settings: Readonly<Record<string, string>>, name: string): void {
    setTimeout(() => {
      if (this.#services.get(name) === ended) this.#spawn(service, settings, name);
    }, START_AGAIN_MS).unref();
  }
}
