import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';

export interface Attempt {
  readonly job: string;
  /** Delivery count, from 1. */
  readonly attempt: number;
  readonly worker: string;
}

export interface AttemptRecord extends Attempt {
  readonly startedAt: Date;
  /** Null while it goes on, and for ever when its process was killed. */
  readonly outcome: string | null;
  readonly error: string | null;
}

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
  /** Of that job; null while it goes on, and for ever when the process was killed. */
  readonly outcome: string | null;
}

export class AttemptRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async start({ job, attempt, worker }: Attempt): Promise<void> {
    await this.#db
      .insertInto('attempts')
      .values({ job, attempt, worker })
      .onConflict((conflict) =>
        conflict
          .columns(['job', 'attempt'])
          .doUpdateSet({ worker, outcome: null, error: null, started_at: sql<Date>`clock_timestamp()` }),
      )
      .execute();
  }

  async finish(job: string, attempt: number, outcome: string, error: string | null = null): Promise<void> {
    await this.#db
      .updateTable('attempts')
      .set({ outcome, error })
      .where('job', '=', job)
      .where('attempt', '=', attempt)
      .execute();
  }

  async list(job: string): Promise<AttemptRecord[]> {
    const rows = await this.#db.selectFrom('attempts').selectAll().where('job', '=', job).orderBy('attempt').execute();
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
        split_part((array_agg(job order by started_at desc))[1], ':', 1) as stage,
        (array_agg(outcome order by started_at desc))[1] as outcome
      from attempts
      where started_at > clock_timestamp() - ${withinMs} * interval '1 millisecond'
      group by worker
      order by max(started_at) desc
    `.execute(this.#db);
    return rows;
  }
}
