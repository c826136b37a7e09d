import { activeTraceparent } from '@solopo/tracing';
import { sql } from 'kysely';
import { batches } from '../batches.ts';
import type { Queries } from '../tables/database.ts';

export interface NewMessage {
  readonly subject: string;
  /** A message with the id of an earlier one is dropped. */
  readonly messageId: string;
  readonly payload: unknown;
}

export interface OutboxMessage extends NewMessage {
  readonly id: number;
  /** Of what wrote it: null without tracing. */
  readonly traceparent: string | null;
}

export interface Backlog {
  readonly unpublished: number;
  /** Age of the oldest unpublished message; 0 when there is none. */
  readonly oldestSeconds: number;
}

export class OutboxRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** Each goes on with the trace that is active now. */
  async add(messages: readonly NewMessage[]): Promise<void> {
    const traceparent = activeTraceparent() ?? null;
    const rows = messages.map(({ subject, messageId, payload }) => ({
      subject,
      message_id: messageId,
      payload: JSON.stringify(payload),
      traceparent,
    }));
    for (const batch of batches(rows))
      await this.#db
        .insertInto('outbox')
        .values(batch)
        .onConflict((conflict) => conflict.column('message_id').doNothing())
        .execute();
  }

  /** The oldest unpublished messages that no other relay holds, held until the transaction ends. */
  async claim(limit: number): Promise<OutboxMessage[]> {
    const rows = await this.#db
      .selectFrom('outbox')
      .select(['id', 'subject', 'message_id', 'payload', 'traceparent'])
      .where('published_at', 'is', null)
      .orderBy('id')
      .limit(limit)
      .forUpdate()
      .skipLocked()
      .execute();
    return rows.map(({ message_id, ...row }) => ({ ...row, messageId: message_id }));
  }

  async markPublished(ids: readonly number[]): Promise<void> {
    await this.#db
      .updateTable('outbox')
      .set({ published_at: sql<Date>`clock_timestamp()` })
      .where('id', '=', sql<number>`any(${[...ids]}::bigint[])`)
      .execute();
  }

  /** Deletes what was published longer ago than that; returns how many messages. */
  async prune(olderThanMs: number): Promise<number> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('outbox')
      .where('published_at', '<', sql<Date>`clock_timestamp() - ${olderThanMs} * interval '1 millisecond'`)
      .executeTakeFirstOrThrow();
    return Number(numDeletedRows);
  }

  async backlog(): Promise<Backlog> {
    return this.#db
      .selectFrom('outbox')
      .select([
        sql<number>`count(*)`.as('unpublished'),
        sql<number>`coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::double precision`.as(
          'oldestSeconds',
        ),
      ])
      .where('published_at', 'is', null)
      .executeTakeFirstOrThrow();
  }
}
