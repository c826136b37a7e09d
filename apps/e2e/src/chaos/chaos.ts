import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@solopo/testing';
import type pg from 'pg';
import { prepareRetrieval } from '../retrieval-run.ts';
import { System } from '../system.ts';
import { checkEqual, checkLeftovers, checkRest, checkRuns } from './checks.ts';
import { openPool } from './pool.ts';
import { KEPT_WORKERS, planFaults, type Fault, type Target } from './plan.ts';
import { Recoveries } from './recoveries.ts';
import type { ChaosReport, Check, Struck } from './report.ts';
import { chaosRun, createRun, resumeFailed, stateOf, type StartedRun } from './runs.ts';
import { kindOf, Storm } from './storm.ts';
import { Skipped, strike } from './strike.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Faults are spread over so long. */
  readonly minutes: number;
  readonly faults: number;
  readonly log?: (line: string) => void;
  /** A file for what the services said. */
  readonly output?: string;
}

const RUNS_AT_ONCE = 3;
const START_LIMIT_MS = 120_000;
const END_LIMIT_MS = 240_000;

/** Runs go on while processes are killed, frozen, cut off and misled; then they are compared with runs that nobody disturbed. */
export async function chaos({
  seed,
  minutes,
  faults,
  log = () => undefined,
  output,
}: ChaosOptions): Promise<ChaosReport> {
  const storm = await Storm.start();
  const pool = openPool(storm.system.databaseUrl);
  try {
    const feed = new Feed(storm.system, pool, seed);
    await workersWork(pool);
    const clock = stopwatch();
    const recoveries = new Recoveries(storm.system, pool);
    const struck = await strikeAll(storm, pool, recoveries, planFaults(seed, faults, minutes), log);
    const runs = await feed.end();
    const stormSeconds = clock();
    log(`the last fault is over; ${runs.length} runs are to end`);
    const resumed = await allEnd(storm.system, pool, runs);
    const calmingSeconds = clock();
    await recoveries.stop();

    const before = [...(await checkRest(storm, pool)), ...(await checkRuns(storm, pool, runs))];
    await storm.stopServices();
    before.push(...(await checkLeftovers(storm)));
    log('the same runs, undisturbed');
    clock();
    const equal = await undisturbed(runs, (calm) => checkEqual([storm.system, pool, runs], calm));
    const { rows } = await pool.query<{ jobs: number; executions: number }>(
      'select count(distinct job)::int as jobs, count(*)::int as executions from attempts',
    );
    const checks = [...equal, ...before];
    return {
      seed,
      minutes,
      faults: struck.map((each) => ({ ...each, recoverySeconds: recoveries.seconds.get(each.number) ?? null })),
      runs: runs.length,
      resumed,
      jobs: rows[0]!.jobs,
      executions: rows[0]!.executions,
      seconds: { storm: stormSeconds, calming: calmingSeconds, undisturbed: clock() },
      checks,
      ok: checks.every(({ ok }) => ok),
    };
  } catch (error) {
    throw new Error(`${String(error)}\n${storm.system.output.join('').slice(-8000)}`, { cause: error });
  } finally {
    if (output !== undefined) writeFileSync(output, storm.system.output.join(''));
    await pool.end();
    await storm.close();
  }
}

/** Before that there is little to disturb. */
async function workersWork(pool: pg.Pool): Promise<void> {
  const done = "select 1 from stages where kind = 'score' and chunks_done > 0 limit 1";
  await waitFor('the first answers are scored', async () => (await pool.query(done)).rowCount === 1, START_LIMIT_MS);
}

/** Each at its time, or when the one before it of its target is over. */
async function strikeAll(
  storm: Storm,
  pool: pg.Pool,
  recoveries: Recoveries,
  faults: readonly Fault[],
  log: (line: string) => void,
): Promise<readonly Omit<Struck, 'recoverySeconds'>[]> {
  const start = Date.now();
  const free = new Map<Target, Promise<unknown>>();
  const all = faults.map(async (fault) => {
    const before = free.get(fault.target) ?? Promise.resolve();
    const over = (async () => {
      await sleep(Math.max(0, start + fault.atMs - Date.now()));
      await before;
      const at = Date.now();
      const told = await strike(storm, fault, pool).then(
        (what) => ({ what, isSkipped: false }),
        (error: unknown) => {
          if (!(error instanceof Skipped)) throw error;
          return { what: error.message, isSkipped: true };
        },
      );
      if (!told.isSkipped) recoveries.await(fault, at);
      log(`${String(fault.number).padStart(4)}  ${fault.kind}: ${told.isSkipped ? 'skipped, ' : ''}${told.what}`);
      return { ...fault, ...told, struckSeconds: (at - start) / 1000 };
    })();
    free.set(
      fault.target,
      over.catch(() => undefined),
    );
    return over;
  });
  return Promise.all(all);
}

/** Keeps some runs going, each another. */
class Feed {
  readonly #runs: StartedRun[] = [];
  #isEnding = false;
  readonly #feeding: Promise<void>;

  constructor(
    private readonly system: System,
    private readonly pool: pg.Pool,
    private readonly seed: number,
  ) {
    this.#feeding = this.#feed();
    // Whoever ends it hears of its fault.
    this.#feeding.catch(() => undefined);
  }

  async end(): Promise<readonly StartedRun[]> {
    this.#isEnding = true;
    await this.#feeding;
    return this.#runs;
  }

  async #feed(): Promise<void> {
    let open: StartedRun[] = [];
    while (!this.#isEnding) {
      const states = await Promise.all(open.map(({ id }) => stateOf(this.pool, id)));
      open = open.filter((_, index) => states[index] === 'running');
      while (open.length < RUNS_AT_ONCE) {
        const run = await createRun(this.system, this.pool, chaosRun(this.seed, this.#runs.length + 1));
        this.#runs.push(run);
        open.push(run);
      }
      await sleep(500);
    }
  }
}

/** Those that failed are set going again. Returns why they had failed. One that does not end is told by the checks. */
async function allEnd(system: System, pool: pg.Pool, runs: readonly StartedRun[]): Promise<readonly string[]> {
  const resumed: string[] = [];
  await waitFor(
    'all runs end',
    async () => {
      const states = await Promise.all(runs.map(({ id }) => stateOf(pool, id)));
      if (states.includes('failed')) resumed.push(...(await resumeFailed(system)));
      await sleep(200);
      return states.every((state) => state === 'succeeded');
    },
    END_LIMIT_MS,
  ).catch(() => undefined);
  return resumed;
}

async function undisturbed(
  runs: readonly StartedRun[],
  compare: (calm: readonly [System, pg.Pool, readonly StartedRun[]]) => Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  const system = await System.start();
  const pool = openPool(system.databaseUrl);
  try {
    await prepareRetrieval(system);
    for (const name of KEPT_WORKERS) system.startWorker(kindOf(name), {}, name);
    const same: StartedRun[] = [];
    for (const { config } of runs) same.push(await createRun(system, pool, config));
    for (const { id } of same) await system.finished(id, runs.length * 60_000);
    return await compare([system, pool, same]);
  } finally {
    await pool.end();
    await system.close();
  }
}

/** Seconds since it was last asked. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const seconds = (performance.now() - last) / 1000;
    last = performance.now();
    return seconds;
  };
}
