import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';

/** An execution of a job that begins. */
export interface NewAttempt {
  readonly job: string;
  readonly stage: string;
  readonly chunk: number;
  readonly worker: string;
  /** Of the program that executes it. */
  readonly version: string;
}

export interface Attempt {
  readonly job: string;
  /** From 1. */
  readonly attempt: number;
}

export interface AttemptRecord extends Attempt {
  readonly worker: string;
  readonly version: string | null;
  readonly startedAt: Date;
  /** Null while it goes on, and once its process was killed until the job is begun again: then `lost`. */
  readonly outcome: string | null;
  readonly error: string | null;
}

/** Of an execution that neither the job nor its process is to blame for: the process was to stop, or what it stands on was away. */
export const INTERRUPTED = 'interrupted';

/** Of executions whose effects are in the ledger. */
export const DONE_OUTCOMES = ['completed', 'continued'] as const;

/** What a process did. */
export interface WorkerRecord {
  readonly worker: string;
  readonly jobs: number;
  readonly failures: number;
  readonly firstSeen: Date;
  /** When it last took up a job. */
  readonly lastSeen: Date;
  /** The stage of that job. */
  readonly stage: string;
}

export class AttemptRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /**
   * Records that the job is executed from now on. Whoever holds its chunk's stage locked may: executions before it that did not end
   * are lost. Returns which one it is, and which of those that the job is to blame for.
   */
  async begin({ job, stage, chunk, worker, version }: NewAttempt): Promise<{ attempt: number; blamed: number }> {
    await this.#db
      .updateTable('attempts')
      .set({ outcome: 'lost' })
      .where('job', '=', job)
      .where('outcome', 'is', null)
      .execute();
    const before = await this.#db
      .selectFrom('attempts')
      .select([
        sql<number>`coalesce(max(attempt), 0)`.as('attempts'),
        sql<number>`count(*) filter (where outcome <> ${INTERRUPTED})`.as('blamed'),
      ])
      .where('job', '=', job)
      .executeTakeFirstOrThrow();
    const attempt = before.attempts + 1;
    await this.#db.insertInto('attempts').values({ job, attempt, stage, chunk, worker, version }).execute();
    return { attempt, blamed: before.blamed + 1 };
  }

  async finish({ job, attempt }: Attempt, outcome: string, error: string | null = null): Promise<void> {
    await this.#db
      .updateTable('attempts')
      .set({ outcome, error })
      .where('job', '=', job)
      .where('attempt', '=', attempt)
      .execute();
  }

  /** Whether an execution of the job left its effects. */
  async isDone(job: string): Promise<boolean> {
    const done = await this.#db
      .selectFrom('attempts')
      .select('attempt')
      .where('job', '=', job)
      .where('outcome', 'in', DONE_OUTCOMES)
      .executeTakeFirst();
    return done !== undefined;
  }

  async list(job: string): Promise<AttemptRecord[]> {
    const rows = await this.#db
      .selectFrom('attempts')
      .select(['job', 'attempt', 'worker', 'version', 'started_at', 'outcome', 'error'])
      .where('job', '=', job)
      .orderBy('attempt')
      .execute();
    return rows.map(({ started_at, ...row }) => ({ ...row, startedAt: started_at }));
  }

  /** The processes that took up a job lately, latest first. */
  async workers(withinMs: number): Promise<WorkerRecord[]> {
    const { rows } = await sql<WorkerRecord>`
      select worker,
        count(*) as jobs,
        count(*) filter (where error is not null) as failures,
        min(started_at) as "firstSeen",
        max(started_at) as "lastSeen",
        coalesce((array_agg(stage order by started_at desc))[1], '') as stage
      from attempts
      where started_at > clock_timestamp() - ${withinMs} * interval '1 millisecond'
      group by worker
      order by max(started_at) desc
    `.execute(this.#db);
    return rows;
  }
}
