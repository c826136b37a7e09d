import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { ONE_RANK, type Pool } from '@solopo/functions';
import { startPostgres } from '@solopo/local-servers';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CLAIM } from './folder.claim.ts';
import { isAlive } from './process.identity.ts';
import { StateFile } from './state.file.ts';
import { installedTorch } from './torch/torch.folder.ts';

const LAUNCHER = fileURLToPath(new URL('fakes/launcher.fake.mjs', import.meta.url));
const launched: ChildProcess[] = [];
let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'solopo-launcher-'));
});

afterEach(async () => {
  for (const child of launched.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
  await rm(dataDir, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

function launch(command: 'up' | 'demo', worker: string, ...options: string[]) {
  const child = spawn(process.execPath, [LAUNCHER, command, worker, dataDir, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  launched.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, ended, output: () => output };
}

const state = () => new StateFile(dataDir).read();

async function untilUp() {
  return vi.waitFor(() => {
    const now = state();
    if (now?.api === undefined) throw new Error('not up yet');
    return now;
  }, 60_000);
}

/** The addresses of the servers, as the launcher gives them to a service. */
function addresses() {
  const gateway = state()?.processes.find(({ name }) => name === 'gateway');
  const env = readFileSync(`/proc/${gateway?.pid}/environ`, 'utf8').split('\0');
  const value = (key: string) => env.find((entry) => entry.startsWith(`${key}=`))?.slice(key.length + 1) ?? '';
  return {
    database: value('SOLOPO_DATABASE_URL'),
    nats: value('SOLOPO_NATS_URL'),
    engines: value('SOLOPO_ENGINES'),
    pools: value('SOLOPO_POOLS'),
  };
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** What the gateway may do: start jobs, wish for workers. */
async function asGateway(): Promise<NatsConnection> {
  const { username: user, password: pass, protocol, host } = new URL(addresses().nats);
  return connect({ servers: `${protocol}//${host}`, user, pass });
}

async function publishJob(): Promise<void> {
  const nats = await asGateway();
  await jetstream(nats).publish('jobs.datagen.compose');
  await nats.close();
}

async function wish(): Promise<void> {
  const nats = await asGateway();
  nats.publish('wanted.reward');
  await nats.flush();
  await nats.close();
}

async function whatHappened(url: string): Promise<unknown[]> {
  return (await query(url, 'select what from happened order by id')).map(({ what }) => what);
}

describe('the launcher over real servers and fake services', () => {
  it('starts a worker that somebody wants an answer of, though there is no job', async () => {
    const launcher = launch('up', 'worker');
    await untilUp();
    const { database } = addresses();
    await wish();
    await vi.waitFor(async () => expect(await whatHappened(database)).toEqual(['worker started']), {
      timeout: 10_000,
      interval: 100,
    });
    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(0);
  });

  it('lets nobody into its NATS without a password, and gives no service a secret that is not for it', async () => {
    vi.stubEnv('SOLOPO_ADMIN_TOKEN', 'an-administrators-token-of-the-environment');
    vi.stubEnv('SOLOPO_TOKEN', 'of the client');
    const launcher = launch('up', 'worker');
    const { processes } = await untilUp();
    const { protocol, host, username } = new URL(addresses().nats);
    expect(username).toBe('gateway');
    await expect(connect({ servers: `${protocol}//${host}` })).rejects.toThrow(/authorization/i);
    expect(statSync(join(dataDir, 'nats.conf')).mode & 0o777).toBe(0o600);
    await publishJob();
    const worker = await vi.waitFor(
      () => {
        const found = state()?.processes.find(({ name }) => name === 'datagen-1');
        if (found === undefined) throw new Error('no worker yet');
        return found;
      },
      { timeout: 10_000, interval: 50 },
    );
    const environment = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const told = [...processes, worker].map(({ name, pid }) => [
      name,
      environment(pid).filter((entry) => /^SOLOPO_(ADMIN_)?TOKEN=/.test(entry)),
    ]);
    expect(Object.fromEntries(told)).toEqual({
      postgres: [],
      nats: [],
      gateway: ['SOLOPO_ADMIN_TOKEN=an-administrators-token-of-the-environment'],
      'datagen-1': [],
    });
    expect(environment(worker.pid).find((entry) => entry.startsWith('SOLOPO_NATS_URL='))).toMatch(/\/\/datagen:/);
    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(0);
  });

  it('starts a worker for a job, stops it when idle, and stops everything in order', async () => {
    const launcher = launch('up', 'worker');
    await untilUp();
    const { database, engines, pools } = addresses();
    const here = installedTorch(dataDir) === undefined ? ['onnx'] : ['onnx', 'torch'];
    expect(engines).toBe(here.join(','));
    expect(JSON.parse(pools)).toEqual(
      ['datagen', 'reward', 'trainer'].map((app) => ({ name: app, app, engines: here, ...ONE_RANK })),
    );
    await publishJob();
    const one = ['worker started', 'job done', 'worker stopped'];
    await vi.waitFor(async () => expect(await whatHappened(database)).toEqual(one), { timeout: 10_000, interval: 100 });
    await vi.waitFor(() => expect(state()?.processes.map(({ name }) => name)).toEqual(['postgres', 'nats', 'gateway']));

    await query(database, "insert into outbox (subject) values ('jobs.datagen.compose')");
    await vi.waitFor(async () => expect(await whatHappened(database)).toEqual([...one, 'worker started', 'job done']), {
      timeout: 10_000,
      interval: 50,
    });
    const { processes } = state()!;
    expect(processes.map(({ name }) => name)).toEqual(['postgres', 'nats', 'gateway', 'datagen-1']);

    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(0);
    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(new StateFile(dataDir).path)).toBe(false);
    expect(readFileSync(join(dataDir, 'logs', 'gateway.log'), 'utf8')).toContain('gateway listens');

    const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres') });
    try {
      expect((await whatHappened(postgres.url)).slice(-2)).toEqual(['worker stopped', 'gateway stopped']);
    } finally {
      await postgres.stop();
    }
  });

  it('gives ranks to the workers whose work ranks can share', async () => {
    // Named, never started: no worker of the fake services computes.
    vi.stubEnv('SOLOPO_TORCH_PYTHON', process.execPath);
    const launcher = launch('up', 'worker', '--ranks', '4', '--sequence-ranks', '2');
    await untilUp();
    expect(
      (JSON.parse(addresses().pools) as Pool[]).map(({ app, ranks, sequenceRanks }) => [app, ranks, sequenceRanks]),
    ).toEqual([
      ['datagen', 1, 1],
      ['reward', 4, 2],
      ['trainer', 4, 2],
    ]);
    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(0);
  });

  it('refuses ranks that nothing would compute on', async (context) => {
    const demo = launch('demo', 'worker', '--ranks', '2');
    expect(await demo.ended).toBe(1);
    expect(demo.output()).toBe('solopo: demo --ranks is of PyTorch alone; add --engine torch, or leave it out.\n');
    if (installedTorch(dataDir) !== undefined) return context.skip('the torch engine is set up here');
    const up = launch('up', 'worker', '--ranks', '2');
    expect(await up.ended).toBe(1);
    expect(up.output()).toMatch(/^solopo: --ranks needs the torch engine, which is not set up; run \.\/solopo engine/);
  });

  it('clears what a killed launcher left, and refuses a folder that is in use', async () => {
    const killed = launch('up', 'worker');
    const { processes } = await untilUp();
    const refused = launch('up', 'worker');
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toContain('runs on');
    killed.child.kill('SIGKILL');
    await killed.ended.catch(() => undefined);
    expect(processes.filter(isAlive).map(({ name }) => name)).toEqual(['postgres', 'nats', 'gateway']);

    const next = launch('up', 'worker');
    await vi.waitFor(() => expect(state()?.launcher.pid).toBe(next.child.pid), 60_000);
    await untilUp();
    expect(next.output()).toContain('Cleared what an earlier launcher left: gateway, nats, postgres.');
    expect(processes.filter(isAlive)).toEqual([]);
    next.child.kill('SIGTERM');
    expect(await next.ended).toBe(0);
  });

  it('of several at once after a killed launcher one is up, and the others say whose the folder is', async () => {
    const killed = launch('up', 'worker');
    await untilUp();
    killed.child.kill('SIGKILL');
    await killed.ended.catch(() => undefined);
    const all = [1, 2, 3].map(() => launch('up', 'worker'));
    const codes = await Promise.all(
      all.map(async ({ ended, output }) => {
        const isUp = vi.waitFor(() => expect(output()).toContain('Solopo is up'), { timeout: 90_000 });
        return Promise.race([ended, isUp.then(() => 'up')]);
      }),
    );
    expect([...codes].sort()).toEqual([1, 1, 'up']);
    const winner = all[codes.indexOf('up')]!;
    for (const launcher of all.filter((each) => each !== winner))
      expect(launcher.output()).toContain(`A launcher (process ${winner.child.pid}) runs on ${dataDir} already`);
    winner.child.kill('SIGTERM');
    expect(await winner.ended).toBe(0);
  });

  it('a folder that a launcher of a reused process id claimed is free', async () => {
    symlinkSync(`${process.pid} long ago`, join(dataDir, CLAIM));
    const launcher = launch('up', 'worker');
    await untilUp();
    launcher.child.kill('SIGTERM');
    expect(await launcher.ended).toBe(0);
    expect(readdirSync(dataDir)).not.toContain(CLAIM);
  });

  it('a port where another program listens is refused: it would be announced as the gateway', async () => {
    const other = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const refused = launch('up', 'worker', '--port', `${port}`);
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toBe(
      `solopo: Another program listens on port ${port}; stop it, name another with --port, or leave --port out for a free one.\n`,
    );
    other.close();
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false);
  });

  it.each(['postgres', 'nats', 'gateway'])('Ctrl-C once %s is started ends with 130', async (name) => {
    vi.stubEnv('SOLOPO_FAKE_GATEWAY_DELAY_MS', '20000');
    const launcher = launch('up', 'worker');
    const { processes } = await vi.waitFor(
      () => {
        const now = state();
        if (!now?.processes.some((process) => process.name === name)) throw new Error('not started yet');
        return now;
      },
      { timeout: 60_000, interval: 5 },
    );
    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(130);
    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(new StateFile(dataDir).path)).toBe(false);
  });

  it('a worker that crashes again and again starts again, and ends nothing else', async () => {
    const launcher = launch('up', 'crash');
    const { processes } = await untilUp();
    await publishJob();
    await vi.waitFor(
      () => expect(launcher.output()).toMatch(/datagen-1 ended again and again .* exit code 3; .* It starts again/),
      { timeout: 60_000, interval: 50 },
    );
    await vi.waitFor(() => expect(launcher.output().match(/starting datagen-1/g)?.length).toBeGreaterThan(5), {
      timeout: 30_000,
      interval: 50,
    });
    expect(processes.every(isAlive)).toBe(true);
    launcher.child.kill('SIGINT');
    expect(await launcher.ended).toBe(0);
    expect(processes.filter(isAlive)).toEqual([]);
  });

  it('runs the client of a demo and ends with its code', async () => {
    const launcher = launch('demo', 'worker', '--quick', '--seed', '3');
    expect(await launcher.ended).toBe(7);
    expect(launcher.output()).toContain('client saw 200 with demo --quick --seed 3');
    expect(launcher.output()).not.toContain('gateway listens');
    expect(existsSync(new StateFile(dataDir).path)).toBe(false);
  });
});
