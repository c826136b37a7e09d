import { SolopoError } from '@solopo/contracts';
import { sql, type Selectable } from 'kysely';
import { storableText } from '../text.ts';
import type { Queries } from '../tables/database.ts';
import type { LiveTables } from '../tables/live.tables.ts';

export interface NewDeadLetter {
  readonly subject: string;
  /** The message as it came: it need not be a job at all. */
  readonly job: unknown;
  readonly reason: string;
  readonly code: string;
  readonly attempts: number;
}

export interface DeadLetterRecord extends NewDeadLetter {
  readonly id: number;
  readonly createdAt: Date;
  readonly retriedAt: Date | null;
}

export class DeadLetterRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** Also of a message that is no text at all: that it was there is kept, whatever it is. */
  async add(letter: NewDeadLetter): Promise<void> {
    const { job = null, reason } = letter;
    await this.#db
      .insertInto('dead_letters')
      .values({
        ...letter,
        job: JSON.stringify(typeof job === 'string' ? storableText(job) : job),
        reason: storableText(reason),
      })
      .execute();
  }

  /** Latest first. */
  async list(limit = 100): Promise<DeadLetterRecord[]> {
    const rows = await this.#letters().orderBy('id', 'desc').limit(limit).execute();
    return rows.map(recordOf);
  }

  async require(id: number): Promise<DeadLetterRecord> {
    const row = await this.#letters().where('id', '=', id).executeTakeFirst();
    return row === undefined ? missing(id) : recordOf(row);
  }

  /** How many there ever were, retried or not. */
  async counts(): Promise<{ readonly subject: string; readonly code: string; readonly letters: number }[]> {
    return this.#db
      .selectFrom('dead_letters')
      .select(['subject', 'code', sql<number>`count(*)`.as('letters')])
      .groupBy(['subject', 'code'])
      .execute();
  }

  /** Until the transaction ends nobody else retries the letter. */
  async lock(id: number): Promise<DeadLetterRecord> {
    const row = await this.#letters().where('id', '=', id).forNoKeyUpdate().executeTakeFirst();
    return row === undefined ? missing(id) : recordOf(row);
  }

  async markRetried(id: number): Promise<void> {
    await this.#db
      .updateTable('dead_letters')
      .set({ retried_at: sql<Date>`clock_timestamp()` })
      .where('id', '=', id)
      .execute();
  }

  /** What failed with the letter stays failed. */
  async discard(id: number): Promise<void> {
    const { numDeletedRows } = await this.#db.deleteFrom('dead_letters').where('id', '=', id).executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) return missing(id);
  }

  #letters() {
    return this.#db.selectFrom('dead_letters').selectAll();
  }
}

function recordOf({ created_at, retried_at, ...row }: Selectable<LiveTables['dead_letters']>): DeadLetterRecord {
  return { ...row, createdAt: created_at, retriedAt: retried_at };
}

function missing(id: number): never {
  throw new SolopoError('not-found', `There is no dead letter ${id}; list them with GET /v1/dead-letters.`);
}
