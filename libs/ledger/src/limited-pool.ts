import { SolopoError } from '@solopo/contracts';
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type pg from 'pg';

/**
 * The pool, whose statements have a limit, and so has the time between those of a transaction. A connection that exceeds it is closed,
 * as what became of its statement and of the transaction around it is not known: nobody else shall go on with them.
 */
export function limitedPool(pool: pg.Pool, limitMs: number): PostgresPool {
  return {
    options: pool.options,
    connect: async () => new LimitedClient(await pool.connect(), limitMs),
    end: () => pool.end(),
  };
}

class LimitedClient implements PostgresPoolClient {
  #hasExceeded = false;

  constructor(
    private readonly client: pg.PoolClient,
    private readonly limitMs: number,
  ) {}

  query<R>(statement: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    statement: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof statement !== 'string') throw new TypeError('A cursor has no limit; read in batches.');
    if (this.#hasExceeded) return Promise.reject(noAnswer(this.limitMs));
    return this.#limited(
      this.client.query(this.#told(statement), [...parameters]) as unknown as Promise<PostgresQueryResult<R>>,
    );
  }

  release(destroy?: boolean): void {
    this.client.release(destroy);
  }

  /** A transaction whose client is gone without a word holds its locks until the server ends it: it is told when. */
  #told(statement: string): string {
    if (!/^(begin|start transaction)\b/.test(statement)) return statement;
    return `${statement}; set local idle_in_transaction_session_timeout = ${this.limitMs}`;
  }

  async #limited<T>(result: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#hasExceeded = true;
      // In the middle of a statement: the socket is closed at once, and the statement fails.
      void this.#end();
    }, this.limitMs);
    try {
      return await result;
    } catch (error) {
      throw this.#hasExceeded ? noAnswer(this.limitMs, error) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #end(): Promise<void> {
    await (this.client as unknown as pg.Client).end();
  }
}

function noAnswer(limitMs: number, cause?: unknown): SolopoError {
  return new SolopoError('not-ready', `The database gave no answer in ${limitMs / 1000} s; try again in a moment.`, {
    cause,
  });
}
