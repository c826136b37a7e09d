import type { RunConfig, RunState } from '@solopo/contracts';
import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';

export interface TrackedRun {
  readonly id: string;
  readonly name: string;
  readonly config: RunConfig;
  readonly state: RunState;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

/** Metrics of a gradient step, or of a policy version on held-out pairs, with the time at which they were written. */
export interface TimedMetrics {
  readonly step: number;
  readonly at: Date;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface TimedStep extends TimedMetrics {
  /** By phase; null: the step is older than this record. */
  readonly phaseSeconds: Readonly<Record<string, number>> | null;
}

export interface TimedEvaluation {
  /** 0: the base model. */
  readonly step: number;
  readonly documents: number;
  readonly at: Date;
  readonly n: number;
  readonly correct: number;
}

/** A run's figures as trackers of experiments take them: what is read twice is the same, to its time. */
export class TrackingRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** Runs that are running, or ended since the given time; oldest first. */
  async runs(since: Date): Promise<TrackedRun[]> {
    return this.#db
      .selectFrom('runs')
      .select(['id', 'name', 'config', 'state', 'created_at as createdAt', 'finished_at as finishedAt'])
      .where((where) => where.or([where('state', '=', 'running'), where('finished_at', '>=', since)]))
      .orderBy('created_at')
      .execute();
  }

  /** Steps after the given one, in order. */
  async steps(run: string, after: number, limit: number): Promise<TimedStep[]> {
    return this.#db
      .selectFrom('steps')
      .select(['step', 'metrics', 'phase_seconds as phaseSeconds', 'created_at as at'])
      .where('run', '=', run)
      .where('step', '>', after)
      .orderBy('step')
      .limit(limit)
      .execute();
  }

  async heldOut(run: string): Promise<TimedMetrics[]> {
    return this.#db
      .selectFrom('alignment_metrics')
      .select(['step', 'metrics', 'created_at as at'])
      .where('run', '=', run)
      .orderBy('step')
      .execute();
  }

  /** Only what is asked to the end. */
  async evaluations(run: string): Promise<TimedEvaluation[]> {
    const rows = await this.#db
      .selectFrom('run_stages')
      .innerJoin('stages', 'stages.digest', 'run_stages.stage')
      .innerJoin('evaluations', 'evaluations.stage', 'stages.digest')
      .leftJoin(
        (query) =>
          query
            .selectFrom('policy_versions')
            .select(['run', 'digest'])
            .select((version) => version.fn.max('step').as('step'))
            .groupBy(['run', 'digest'])
            .as('version'),
        (join) => join.onRef('version.run', '=', 'run_stages.run').onRef('version.digest', '=', 'evaluations.policy'),
      )
      .select(['version.step', 'evaluations.documents'])
      .select(sql<number>`sum(evaluations.n)`.as('n'))
      .select(sql<number>`sum(evaluations.correct)`.as('correct'))
      .select(sql<Date>`max(evaluations.created_at)`.as('at'))
      .where('run_stages.run', '=', run)
      .where('stages.state', '=', 'done')
      .groupBy(['version.step', 'evaluations.documents'])
      .orderBy('version.step', (order) => order.asc().nullsFirst())
      .orderBy('evaluations.documents')
      .execute();
    return rows.map(({ step, ...row }) => ({ ...row, step: step ?? 0 }));
  }
}
