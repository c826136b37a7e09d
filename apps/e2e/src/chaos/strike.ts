import { cp, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats } from '@solopo/bus';
import { FUNCTIONS, leaseMsOf } from '@solopo/functions';
import { Random } from '@solopo/random';
import { waitFor } from '@solopo/testing';
import type pg from 'pg';
import { engineOf, workerOf } from '../worker.processes.ts';
import { KEPT_WORKERS, shuffled, type Fault, type FaultKind, type KeptWorker } from './plan.ts';
import type { Storm } from './storm.ts';

/** What this machine, or this moment, has not. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

const LEASE_MS = leaseMsOf(FUNCTIONS.sample.ackWaitMs);
const AWAY_MS = 3000;
const BUSY_LIMIT_MS = 5000;
const LOST_TAIL_MS = 2000;
const JOBS_AGAIN = 30;
const COPY_ATTEMPTS = 20;

type Strike = (storm: Storm, fault: Fault, pool: pg.Pool) => Promise<string>;

/** Does it, and undoes what must not stay. Returns what was done, in words. */
export async function strike(storm: Storm, fault: Fault, pool: pg.Pool): Promise<string> {
  return STRIKES[fault.kind](storm, fault, pool);
}

const STRIKES: Readonly<Record<FaultKind, Strike>> = {
  'kill-worker': async (storm, { target }) => {
    const pid = storm.disturbs(target as KeptWorker);
    process.kill(pid, 'SIGKILL');
    await waitFor(`${target} is started again`, () => storm.system.pid(target) !== pid);
    return `${target}, process ${pid}`;
  },
  'kill-engine': killEngine,
  'freeze-worker': async (storm, { target, amount }) => {
    const pid = storm.disturbs(target as KeptWorker);
    const ms = LEASE_MS + 1000 + 3000 * amount;
    process.kill(pid, 'SIGSTOP');
    await sleep(ms);
    process.kill(pid, 'SIGCONT');
    return `${target}, ${seconds(ms)}`;
  },
  'kill-gateway': async ({ system }) => {
    const pid = system.pid('gateway')!;
    process.kill(pid, 'SIGKILL');
    await waitFor('the gateway is started again', () => system.pid('gateway') !== pid);
    return `and its relay, process ${pid}`;
  },
  'kill-nats': async ({ system: { nats } }, { amount }) => {
    await nats.kill();
    await sleep(AWAY_MS * amount);
    await nats.restart();
    return `away for ${seconds(AWAY_MS * amount)}`;
  },
  'kill-postgres': async ({ system: { postgres } }, { amount }) => {
    await postgres.kill();
    await sleep(AWAY_MS * amount);
    await postgres.restart();
    return `away for ${seconds(AWAY_MS * amount)}`;
  },
  'slow-nats': slow,
  'slow-postgres': slow,
  'cut-nats': cut,
  'cut-postgres': cut,
  'silence-nats': silence,
  'silence-postgres': silence,
  'fill-disk': async ({ disk }, { amount }) => {
    if (typeof disk === 'string') throw new Skipped(disk);
    disk.fill();
    const ms = 2000 + 3000 * amount;
    await sleep(ms);
    disk.widen();
    return `full for ${seconds(ms)}`;
  },
  'lose-nats-tail': async ({ system: { nats } }) => {
    const before = `${nats.dataDir}.before`;
    await copyLive(nats.dataDir, before);
    await sleep(LOST_TAIL_MS);
    await nats.kill();
    await rm(nats.dataDir, { recursive: true });
    await rename(before, nats.dataDir);
    await nats.restart();
    return `the last ${seconds(LOST_TAIL_MS)} of its store`;
  },
  'publish-again': publishAgain,
  'jump-clock': async ({ clocks }, { target, amount }) => {
    if (clocks.why !== undefined) throw new Skipped(clocks.why);
    const jump = Math.round((amount - 0.5) * 4 * 3600);
    clocks.jump(target, jump);
    await sleep(6000);
    clocks.jump(target, 0);
    return `${target}, ${jump < 0 ? 'back' : 'on'} by ${Math.abs(jump)} s and again`;
  },
};

/** Of the worker, or of another that computes for a job when that does not soon. */
async function killEngine({ system }: Storm, { target }: Fault, pool: pg.Pool): Promise<string> {
  const names = [target, ...KEPT_WORKERS.filter((name) => name !== target)];
  const busyEngine = async () => {
    const { rows } = await pool.query<{ worker: string }>(
      'select worker from leases where expires_at > clock_timestamp()',
    );
    for (const name of names) {
      const pid = system.pid(name) ?? 0;
      const engine = rows.some(({ worker }) => worker === workerOf(pid)) ? await engineOf(pid) : undefined;
      if (engine !== undefined) return { name, engine };
    }
    return undefined;
  };
  const found = await waitFor('a worker computes', () => busyEngine().catch(() => undefined), BUSY_LIMIT_MS).catch(
    () => undefined,
  );
  if (found === undefined) throw new Skipped(`no worker computed within ${seconds(BUSY_LIMIT_MS)}`);
  kill(found.engine);
  return `of ${found.name}, in mid-job`;
}

async function slow({ ways }: Storm, { target, amount }: Fault): Promise<string> {
  const way = ways[target as keyof typeof ways];
  const [delayMs, ms] = [20 + 180 * amount, 3000 + 3000 * amount];
  way.slow(delayMs);
  await sleep(ms);
  way.mend();
  return `${Math.round(delayMs)} ms later each way, for ${seconds(ms)}`;
}

async function cut({ ways }: Storm, { target, amount }: Fault): Promise<string> {
  const way = ways[target as keyof typeof ways];
  way.cut();
  await sleep(AWAY_MS * amount);
  way.mend();
  return `for ${seconds(AWAY_MS * amount)}`;
}

async function silence({ ways }: Storm, { target }: Fault): Promise<string> {
  return `${ways[target as keyof typeof ways].silence()} connections, without a word to either side`;
}

/** What was published lately is published once more, in another order. */
async function publishAgain({ system }: Storm, { number }: Fault, pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ subject: string; payload: unknown }>(
    "select subject, payload from outbox where subject like 'jobs.%' and published_at is not null order by id desc limit $1",
    [JOBS_AGAIN],
  );
  const connection = await connectNats(system.nats.url, 'chaos');
  try {
    for (const { subject, payload } of shuffled(rows, new Random('chaos', 'again', number)))
      connection.publish(subject, JSON.stringify(payload));
    await connection.flush();
  } finally {
    await connection.close();
  }
  return `${rows.length} jobs, out of order`;
}

/** Of a server that goes on writing. */
async function copyLive(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rm(to, { recursive: true, force: true });
      await cp(from, to, { recursive: true });
      return;
    } catch (error) {
      if (attempt === COPY_ATTEMPTS) throw error;
    }
  }
}

/** Unless it has ended by itself. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
