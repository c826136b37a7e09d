import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { connectNats, QueueStats } from '@solopo/bus';
import type { RunView, Verification } from '@solopo/contracts';
import { waitFor } from '@solopo/testing';
import type pg from 'pg';
import type { System } from '../system.ts';
import { contextsOf, differences, doneTwice, evidenceOf, takeovers, type Takeover } from './evidence.ts';
import { processesWith } from './processes.ts';
import type { Check } from './report.ts';
import type { StartedRun } from './runs.ts';
import type { Disturbance, Storm } from './storm.ts';

const DRAIN_MS = 60_000;
const ENDED_MS = 15_000;

/** With the services still there: a stream is drained by those who read it. */
export async function checkRest({ system }: Storm, pool: pg.Pool): Promise<readonly Check[]> {
  const connection = await connectNats(system.nats.url, 'chaos');
  try {
    const stats = new QueueStats(connection);
    const left = async (): Promise<string> => {
      const queued = (await stats.queues()).map(({ waiting, unacknowledged }) => waiting + unacknowledged);
      const [work] = await stats.streams();
      const { unpublished } = await system.ledger.outbox.backlog();
      const leases = await pool.query('select 1 from leases where expires_at > clock_timestamp()');
      const jobs = queued.reduce((sum, each) => sum + each, 0);
      return `${work?.messages} messages in ${work?.stream}, ${jobs} jobs of its consumers, ${unpublished} rows in the outbox, ${leases.rowCount} leases`;
    };
    const none = '0 messages in WORK, 0 jobs of its consumers, 0 rows in the outbox, 0 leases';
    const drained = await waitFor('the queues are empty', async () => (await left()) === none, DRAIN_MS).catch(
      () => false,
    );
    return [{ name: 'no message is left, and no lease', ok: drained, found: await left() }];
  } finally {
    await connection.close();
  }
}

export async function checkRuns(
  { system, disturbances }: Storm,
  pool: pg.Pool,
  runs: readonly StartedRun[],
): Promise<readonly Check[]> {
  const views = await Promise.all(runs.map(({ id }) => system.ledger.runs.view(id)));
  const others = views.filter(({ state }) => state !== 'succeeded');
  const verified = await Promise.all(views.map(({ id }) => verifyRun(system, id)));
  const refused = verified.flat();
  const twice = await doneTwice(pool);
  const alive = (await takeovers(pool)).filter((each) => !isExcused(each, disturbances));
  return [
    check(
      'every run has succeeded',
      others.map(({ id, state, error }) => `${id} is ${state}: ${error ?? stagesOf(views, id)}`),
      `${runs.length} runs`,
    ),
    check('verify finds nothing', refused, `${runs.length} runs`),
    check('no job has effects twice', twice),
    check('no job was executed twice while its first worker lived', alive.map(describeTakeover)),
  ];
}

/** The same configurations, in two systems. */
export async function checkEqual(
  [stormy, stormyPool, runs]: readonly [System, pg.Pool, readonly StartedRun[]],
  [calm, calmPool, calmRuns]: readonly [System, pg.Pool, readonly StartedRun[]],
): Promise<readonly Check[]> {
  const rows: string[] = [];
  const parameters: string[] = [];
  let tables = 0;
  for (const [index, { id, config }] of runs.entries()) {
    const other = calmRuns[index]!.id;
    const [mine, theirs] = [await evidenceOf(stormyPool, id), await evidenceOf(calmPool, other)];
    tables += Object.keys(theirs).length;
    rows.push(...differences(mine, theirs).map((each) => `${config.name} ${each}`));
    const [a, b] = [resultOf(await stormy.ledger.runs.view(id)), resultOf(await calm.ledger.runs.view(other))];
    if (a !== b) parameters.push(`${config.name}: ${a}, undisturbed ${b}`);
  }
  const [texts, calmTexts] = [await contextsOf(stormyPool), await contextsOf(calmPool)];
  if (texts !== calmTexts) rows.push(`contexts: ${texts}, undisturbed ${calmTexts}`);
  const [files, calmFiles] = [artifactsOf(stormy), artifactsOf(calm)];
  return [
    check('rows are those of undisturbed runs', rows, `${tables} tables of stages and runs`),
    check('parameters and chains are those of undisturbed runs, to the bit', parameters, `${runs.length} runs`),
    check(
      'no artifact is left over, and none is missing',
      [
        ...[...files].filter((name) => !calmFiles.has(name)).map((name) => `${name} is left over`),
        ...[...calmFiles].filter((name) => !files.has(name)).map((name) => `${name} is missing`),
      ],
      `${files.size} artifacts`,
    ),
  ];
}

/** When every service has been stopped in order. */
export async function checkLeftovers({ system, temporary }: Storm): Promise<readonly Check[]> {
  const alive = () => processesWith(`SOLOPO_ARTIFACTS=${system.artifacts}`);
  const found = alive();
  if (found !== undefined)
    await waitFor('every process has ended', () => alive()?.length === 0, ENDED_MS).catch(() => undefined);
  const orphans = alive() ?? [];
  const folders = readdirSync(temporary).filter((name) => name.startsWith('solopo-worker-'));
  return [
    check(
      'no process is left',
      orphans.map(({ pid, command }) => `${pid} ${command}`),
      found === undefined ? 'not looked: this platform does not tell' : '',
    ),
    check('no temporary folder is left', folders),
  ];
}

function check(name: string, faults: readonly string[], found = ''): Check {
  if (faults.length === 0) return { name, ok: true, found };
  const more = faults.length > 5 ? [`and ${faults.length - 5} more`] : [];
  return { name, ok: false, found: [...faults.slice(0, 5), ...more].join('; ') };
}

async function verifyRun(system: System, id: string): Promise<readonly string[]> {
  const answer = await system.api.get(`/v1/runs/${id}/verify`);
  if (answer.status !== 200) return [`${id}: ${answer.status} ${answer.text}`];
  return (answer.body as Verification).checks.filter(({ ok }) => !ok).map((each) => `${id}: ${JSON.stringify(each)}`);
}

function resultOf({ policyDigest, chainHead, policyTokens, step }: RunView): string {
  return `${step} steps, policy ${policyDigest}, chain ${chainHead}, ${policyTokens} tokens`;
}

function artifactsOf(system: System): ReadonlySet<string> {
  const entries = readdirSync(join(system.artifacts, 'content'), { recursive: true, withFileTypes: true });
  return new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name));
}

function stagesOf(views: readonly RunView[], run: string): string {
  const open = views.find(({ id }) => id === run)?.stages.filter(({ state }) => state !== 'done') ?? [];
  return open.map(({ kind, state, progress }) => `${kind} ${state} ${JSON.stringify(progress)}`).join(', ');
}

export function isExcused({ first, since, at }: Takeover, disturbances: readonly Disturbance[]): boolean {
  return disturbances.some((each) => each.worker === first && since <= each.at && each.at <= at);
}

function describeTakeover({ job, first, since, second, at }: Takeover): string {
  return `${job} of ${first} since ${since.toISOString()} by ${second} at ${at.toISOString()}`;
}
