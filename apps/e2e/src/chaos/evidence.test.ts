import { EVIDENCE_TABLES, Ledger } from '@solopo/ledger';
import { startPostgres, type TestPostgres } from '@solopo/testing';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { isExcused } from './checks.ts';
import { differences, doneTwice, OF_RUNS, OF_STAGES, takeovers } from './evidence.ts';
import { openPool } from './pool.ts';

let postgres: TestPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase();
  const ledger = Ledger.open(url);
  await ledger.migrate();
  await ledger.close();
  pool = openPool(url);
});

afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

beforeEach(() => pool.query('delete from attempts'));

it('what is compared is all evidence but what runs are made from', () => {
  // Contexts are named by their digest, which rows of stage_contexts hold.
  const before = ['models', 'datasets', 'examples', 'contexts'];
  expect([...before, ...OF_STAGES, ...OF_RUNS].sort()).toEqual([...EVIDENCE_TABLES].sort());
});

async function attempt(
  job: string,
  number: number,
  worker: string,
  outcome: string | null,
  second: number,
): Promise<void> {
  await pool.query('insert into attempts (job, attempt, worker, outcome, started_at) values ($1, $2, $3, $4, $5)', [
    job,
    number,
    worker,
    outcome,
    at(second),
  ]);
}

const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

it('a job that another worker took from one that lived is found, and excused where the first was killed or frozen in between', async () => {
  await attempt('taken', 1, 'a', 'lost', 10);
  await attempt('taken', 2, 'b', 'completed', 20);
  await attempt('failed', 1, 'a', 'engine-failed', 10);
  await attempt('failed', 2, 'b', 'completed', 20);
  await attempt('own', 1, 'a', 'lost', 10);
  await attempt('own', 2, 'a', 'completed', 20);
  const found = await takeovers(pool);
  expect(found).toMatchObject([{ job: 'taken', first: 'a', second: 'b' }]);
  const [taken] = found;
  for (const [worker, second, excused] of [
    ['a', 15, true],
    ['a', 9, false],
    ['a', 21, false],
    ['b', 15, false],
  ] as const)
    expect([worker, second, isExcused(taken!, [{ worker, at: at(second) }])]).toEqual([worker, second, excused]);
});

it('a job with effects of two executions is found', async () => {
  await attempt('once', 1, 'a', 'lost', 10);
  await attempt('once', 2, 'b', 'completed', 20);
  await attempt('twice', 1, 'a', 'completed', 10);
  await attempt('twice', 2, 'b', 'continued', 20);
  expect(await doneTwice(pool)).toEqual(['twice']);
});

it('rows that differ are named, and those that one side has alone', () => {
  expect(
    differences(
      { pairs: '2 rows, a', steps: '1 rows, b' },
      { pairs: '2 rows, c', steps: '1 rows, b', scores: '0 rows' },
    ),
  ).toEqual(['pairs: 2 rows, a, undisturbed 2 rows, c', 'scores: none, undisturbed 0 rows']);
});
