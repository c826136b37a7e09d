import { sql } from 'kysely';
import { batches } from '../batches.ts';
import { bytesOfLogps, logpsOfBytes } from '../bytes.ts';
import type { Queries } from '../tables/database.ts';

export type ScoredContext = 'short' | 'long';
export type ScoredResponse = 'chosen' | 'rejected';

/** Log-probabilities of one response under one context by a frozen model. */
export interface Score {
  readonly position: number;
  readonly context: ScoredContext;
  readonly response: ScoredResponse;
  /** Fingerprint of the engine that computed it. */
  readonly engine: string;
  /** One a response token. */
  readonly logps: Float32Array;
  readonly sum: number;
}

export class ScoreRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** The first score of a row stays, so that all who read it read the same. */
  async insert(pairStage: string, model: string, scores: readonly Score[]): Promise<void> {
    const rows = scores.map(({ position, context, response, engine, logps, sum }) => ({
      stage: pairStage,
      position,
      context,
      response,
      model,
      engine,
      logps: bytesOfLogps(logps),
      sum,
      tokens: logps.length,
    }));
    for (const batch of batches(rows))
      await this.#db
        .insertInto('scores')
        .values(batch)
        .onConflict((conflict) => conflict.columns(['stage', 'position', 'context', 'response', 'model']).doNothing())
        .execute();
  }

  async list(pairStage: string, model: string, positions: readonly number[]): Promise<Score[]> {
    const rows = await this.#db
      .selectFrom('scores')
      .select(['position', 'context', 'response', 'engine', 'logps', 'sum'])
      .where('stage', '=', pairStage)
      .where('model', '=', model)
      .where('position', '=', sql<number>`any(${[...positions]}::integer[])`)
      .orderBy('position')
      .orderBy('context')
      .orderBy('response')
      .execute();
    return rows.map(({ logps, ...row }) => ({ ...row, logps: logpsOfBytes(logps) }));
  }
}
