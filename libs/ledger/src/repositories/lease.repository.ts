import { SolopoError } from '@solopo/contracts';
import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';

/** One holder at a time trains a run. Each taking has a higher fencing number: an old holder's commit is refused by it. */
export class LeaseRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** The fencing number, or null while another holds the run. */
  async acquire(run: string, holder: string, ttlMs: number): Promise<number | null> {
    const expires = expiry(ttlMs);
    const lease = await this.#db
      .insertInto('leases')
      .values({ run, holder, fencing: 1, expires_at: expires })
      .onConflict((conflict) =>
        conflict
          .column('run')
          .doUpdateSet({ holder, fencing: sql<number>`leases.fencing + 1`, expires_at: expires })
          .where((is) =>
            is.or([is('leases.holder', '=', holder), is('leases.expires_at', '<=', sql<Date>`clock_timestamp()`)]),
          ),
      )
      .returning('fencing')
      .executeTakeFirst();
    return lease?.fencing ?? null;
  }

  async renew(run: string, fencing: number, ttlMs: number): Promise<void> {
    const renewed = await this.#db
      .updateTable('leases')
      .set({ expires_at: expiry(ttlMs) })
      .where('run', '=', run)
      .where('fencing', '=', fencing)
      .returning('fencing')
      .executeTakeFirst();
    if (renewed === undefined) lost(run, fencing);
  }

  /** In the transaction that commits: nobody takes the lease before it ends. */
  async check(run: string, fencing: number): Promise<void> {
    const held = await this.#db
      .selectFrom('leases')
      .select('fencing')
      .where('run', '=', run)
      .where('fencing', '=', fencing)
      .forShare()
      .executeTakeFirst();
    if (held === undefined) lost(run, fencing);
  }

  async release(run: string, fencing: number): Promise<void> {
    await this.#db
      .updateTable('leases')
      .set({ expires_at: sql<Date>`clock_timestamp()` })
      .where('run', '=', run)
      .where('fencing', '=', fencing)
      .execute();
  }
}

function expiry(ttlMs: number) {
  return sql<Date>`clock_timestamp() + ${ttlMs} * interval '1 millisecond'`;
}

function lost(run: string, fencing: number): never {
  throw new SolopoError(
    'lease-lost',
    `Run ${run} was taken over from lease ${fencing}; drop this work, its new holder does it again.`,
  );
}
