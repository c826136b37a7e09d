import type { AlignmentView } from '@solopo/contracts';
import type { Queries } from '../tables/database.ts';

export interface NewAlignment extends AlignmentView {
  readonly run: string;
  /** Pair by pair. */
  readonly details: unknown;
}

export class AlignmentRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(stage: string, { run, step, policy, metrics, details }: NewAlignment): Promise<void> {
    await this.#db
      .insertInto('alignment_metrics')
      .values({ stage, run, step, policy, metrics: JSON.stringify(metrics), details: JSON.stringify(details) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  async ofRun(run: string): Promise<AlignmentView[]> {
    return this.#db
      .selectFrom('alignment_metrics')
      .select(['step', 'policy', 'metrics'])
      .where('run', '=', run)
      .orderBy('step')
      .execute();
  }

  async details(run: string, step: number): Promise<unknown> {
    const row = await this.#db
      .selectFrom('alignment_metrics')
      .select('details')
      .where('run', '=', run)
      .where('step', '=', step)
      .executeTakeFirst();
    return row?.details ?? null;
  }
}
