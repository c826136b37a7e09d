import { SolopoError, type JobProgress, type StageKind } from '@solopo/contracts';
import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';

/** A worker's right to a chunk. Each taking has a higher fencing number: an old holder's commit is refused by it. */
export interface Lease {
  readonly stage: string;
  readonly chunk: number;
  readonly fencing: number;
}

export interface NewLease extends Lease {
  readonly job: string;
  readonly attempt: number;
  readonly worker: string;
}

/** A chunk that is worked on now. */
export interface LeaseRecord extends NewLease {
  readonly kind: StageKind;
  readonly since: Date;
  /** As of the last renewal. */
  readonly progress: JobProgress | null;
}

export class LeaseRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** How long a chunk is still another's; null where nobody holds it. Its stage is locked until it is taken. */
  async heldForMs(stage: string, chunk: number): Promise<number | null> {
    const row = await this.#db
      .selectFrom('leases')
      .select(sql<number>`1000 * extract(epoch from expires_at - clock_timestamp())::float8`.as('leftMs'))
      .where('stage', '=', stage)
      .where('chunk', '=', chunk)
      .executeTakeFirst();
    return row === undefined || row.leftMs <= 0 ? null : row.leftMs;
  }

  /** From whoever held it before. */
  async take(lease: NewLease, ttlMs: number): Promise<void> {
    await this.#db.deleteFrom('leases').where('stage', '=', lease.stage).where('chunk', '=', lease.chunk).execute();
    await this.#db
      .insertInto('leases')
      .values({ ...lease, expires_at: expiry(ttlMs) })
      .execute();
  }

  /** @throws SolopoError `lease-lost` once another has taken the chunk */
  async renew(lease: Lease, ttlMs: number, progress: JobProgress | null): Promise<void> {
    const renewed = await this.#db
      .updateTable('leases')
      .set({ expires_at: expiry(ttlMs), progress: progress === null ? null : JSON.stringify(progress) })
      .where('stage', '=', lease.stage)
      .where('chunk', '=', lease.chunk)
      .where('fencing', '=', lease.fencing)
      .returning('fencing')
      .executeTakeFirst();
    if (renewed === undefined) lost(lease);
  }

  /** In the transaction that commits, with the stage locked: nobody takes the chunk before it ends. */
  async check(lease: Lease): Promise<void> {
    const held = await this.#db
      .selectFrom('leases')
      .select('fencing')
      .where('stage', '=', lease.stage)
      .where('chunk', '=', lease.chunk)
      .where('fencing', '=', lease.fencing)
      .executeTakeFirst();
    if (held === undefined) lost(lease);
  }

  /** Whoever comes next takes the chunk at once. A lease that is lost stays its new holder's. */
  async release({ stage, chunk, fencing }: Lease): Promise<void> {
    await this.#db
      .deleteFrom('leases')
      .where('stage', '=', stage)
      .where('chunk', '=', chunk)
      .where('fencing', '=', fencing)
      .execute();
  }

  /** What all workers are at, the longest first. */
  async active(): Promise<LeaseRecord[]> {
    return this.#active().execute();
  }

  async ofStages(digests: readonly string[]): Promise<LeaseRecord[]> {
    return this.#active()
      .where('leases.stage', '=', sql<string>`any(${[...digests]}::text[])`)
      .execute();
  }

  #active() {
    return this.#db
      .selectFrom('leases')
      .innerJoin('stages', 'stages.digest', 'leases.stage')
      .select([
        'leases.stage',
        'leases.chunk',
        'leases.fencing',
        'leases.job',
        'leases.attempt',
        'leases.worker',
        'leases.since',
        'leases.progress',
        'stages.kind',
      ])
      .where('leases.expires_at', '>', sql<Date>`clock_timestamp()`)
      .orderBy('leases.since');
  }
}

function expiry(ttlMs: number) {
  return sql<Date>`clock_timestamp() + ${ttlMs} * interval '1 millisecond'`;
}

function lost({ stage, chunk, fencing }: Lease): never {
  throw new SolopoError(
    'lease-lost',
    `Chunk ${chunk} of stage ${stage} was taken over from execution ${fencing}; drop this work, its new holder does it again.`,
  );
}
