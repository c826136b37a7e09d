import type { Judge } from '@solopo/contracts';
import { arrayBatches, columnsOf, unnested } from '../unnested.ts';
import type { Queries } from '../tables/database.ts';

export interface Judgement {
  readonly position: number;
  readonly sampleIndex: number;
  readonly correct: boolean;
}

export interface JudgementRecord extends Judgement {
  readonly judge: string;
}

const TYPES = {
  stage: 'text',
  position: 'integer',
  sample_index: 'integer',
  correct: 'boolean',
  judge: 'text',
} as const;

export class JudgementRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** `stage` is the pair stage that judged. */
  async insert(stage: string, judge: Judge, judgements: readonly Judgement[]): Promise<void> {
    const rows = judgements.map(({ position, sampleIndex, correct }) => ({
      stage,
      position,
      sample_index: sampleIndex,
      correct,
      judge,
    }));
    for (const batch of arrayBatches(rows))
      await this.#db
        .insertInto('judgements')
        .columns(columnsOf(TYPES))
        .expression(unnested(TYPES, batch))
        .onConflict((conflict) => conflict.columns(['stage', 'position', 'sample_index']).doNothing())
        .execute();
  }

  async list(stage: string): Promise<JudgementRecord[]> {
    const rows = await this.#db
      .selectFrom('judgements')
      .select(['position', 'sample_index', 'correct', 'judge'])
      .where('stage', '=', stage)
      .orderBy('position')
      .orderBy('sample_index')
      .execute();
    return rows.map(({ sample_index, ...row }) => ({ ...row, sampleIndex: sample_index }));
  }
}
