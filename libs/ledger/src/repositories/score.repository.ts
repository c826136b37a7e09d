import { SolopoError } from '@solopo/contracts';
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

export interface ScoreEvidence extends Score {
  /** As the row has their count beside its log-probabilities. */
  readonly tokens: number;
}

export class ScoreRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /**
   * A row has one score by each engine; the same again changes nothing.
   *
   * @throws SolopoError `internal` where an engine's score came out differently than before
   */
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
    let added = 0;
    for (const batch of batches(rows)) {
      const { numInsertedOrUpdatedRows } = await this.#db
        .insertInto('scores')
        .values(batch)
        .onConflict((conflict) =>
          conflict.columns(['stage', 'position', 'context', 'response', 'model', 'engine']).doNothing(),
        )
        .executeTakeFirst();
      added += Number(numInsertedOrUpdatedRows ?? 0);
    }
    if (added < rows.length) await this.#demandSame(pairStage, model, scores);
  }

  /**
   * Scores of the rows that have one, by position, context and response.
   *
   * @param engine fingerprint of the engine whose scores are wanted; without it, each row's first recorded one
   */
  async list(pairStage: string, model: string, positions: readonly number[], engine?: string): Promise<Score[]> {
    const rows = this.#rows(pairStage, model, positions);
    const chosen =
      engine === undefined ? rows.distinctOn(['position', 'context', 'response']) : rows.where('engine', '=', engine);
    return (await chosen.execute()).map(scoreOf);
  }

  /** Every engine's scores, each row's in the order they were recorded in. */
  async all(pairStage: string, model: string, positions: readonly number[]): Promise<Score[]> {
    return (await this.#rows(pairStage, model, positions).execute()).map(scoreOf);
  }

  /** The same, as the rows have them. */
  async evidence(pairStage: string, model: string, positions: readonly number[]): Promise<ScoreEvidence[]> {
    const rows = await this.#rows(pairStage, model, positions).select('tokens').execute();
    return rows.map(({ tokens, ...row }) => ({ ...scoreOf(row), tokens }));
  }

  #rows(pairStage: string, model: string, positions: readonly number[]) {
    return this.#db
      .selectFrom('scores')
      .select(['position', 'context', 'response', 'engine', 'logps', 'sum'])
      .where('stage', '=', pairStage)
      .where('model', '=', model)
      .where('position', '=', sql<number>`any(${[...positions]}::integer[])`)
      .orderBy('position')
      .orderBy('context')
      .orderBy('response')
      .orderBy('recorded');
  }

  async #demandSame(pairStage: string, model: string, scores: readonly Score[]): Promise<void> {
    const positions = scores.map(({ position }) => position);
    const kept = new Map((await this.all(pairStage, model, positions)).map((score) => [keyOf(score), score]));
    const other = scores.find((score) => !isSame(score, kept.get(keyOf(score))));
    if (other !== undefined)
      throw new SolopoError(
        'internal',
        `The ${other.context} score of the ${other.response} response of example ${other.position} came out differently than before on an engine of the same fingerprint (${other.engine}); the job is tried again with the score that is kept. If this comes again, report it as a defect.`,
      );
  }
}

function scoreOf({ logps, ...row }: Omit<Score, 'logps'> & { readonly logps: Buffer }): Score {
  return { ...row, logps: logpsOfBytes(logps) };
}

function keyOf({ position, context, response, engine }: Score): string {
  return `${position} ${context} ${response} ${engine}`;
}

/** To the last bit. */
function isSame({ logps, sum }: Score, kept: Score | undefined): boolean {
  return kept !== undefined && Object.is(sum, kept.sum) && bytesOfLogps(logps).equals(bytesOfLogps(kept.logps));
}
