import type { AlignmentView } from '@solopo/contracts';
import { alignmentDigest } from '../row-digests.ts';
import type { Queries } from '../tables/database.ts';

export interface NewAlignment extends AlignmentView {
  readonly run: string;
  /** Pair by pair. */
  readonly details: unknown;
}

export interface AlignmentEvidence extends NewAlignment {
  readonly stage: string;
  /** Of the row; null: it is older than the column. */
  readonly digest: string | null;
}

export class AlignmentRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(stage: string, alignment: NewAlignment): Promise<void> {
    const { run, step, policy, metrics, details } = alignment;
    await this.#db
      .insertInto('alignment_metrics')
      .values({
        stage,
        run,
        step,
        policy,
        metrics: JSON.stringify(metrics),
        details: JSON.stringify(details),
        digest: alignmentDigest(stage, alignment),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** Some of the held-out pairs, before all are measured; `firstPair` counts from 0. */
  async insertSlice(stage: string, firstPair: number, pairs: readonly unknown[]): Promise<void> {
    await this.#db
      .insertInto('alignment_slices')
      .values({ stage, first_pair: firstPair, pairs: JSON.stringify(pairs) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** The pairs of all slices so far, in order. */
  async slicedPairs(stage: string): Promise<unknown[]> {
    const slices = await this.#db
      .selectFrom('alignment_slices')
      .select('pairs')
      .where('stage', '=', stage)
      .orderBy('first_pair')
      .execute();
    return slices.flatMap(({ pairs }) => pairs);
  }

  async ofRun(run: string): Promise<AlignmentView[]> {
    return this.#db
      .selectFrom('alignment_metrics')
      .select(['step', 'policy', 'metrics'])
      .where('run', '=', run)
      .orderBy('step')
      .execute();
  }

  /** The rows themselves, with what proves them. */
  async evidence(run: string): Promise<AlignmentEvidence[]> {
    return this.#db
      .selectFrom('alignment_metrics')
      .select(['stage', 'run', 'step', 'policy', 'metrics', 'details', 'digest'])
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
