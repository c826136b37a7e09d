import type { Queries } from '../tables/database.ts';

/** A policy that others may read: to align, to evaluate, to export. */
export interface PolicyVersionRecord {
  readonly step: number;
  /** The artifact of its weights. */
  readonly digest: string;
  readonly chainHead: string;
}

export class VersionRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(run: string, { step, digest, chainHead }: PolicyVersionRecord): Promise<void> {
    await this.#db
      .insertInto('policy_versions')
      .values({ run, step, digest, chain_head: chainHead })
      .onConflict((conflict) => conflict.columns(['run', 'step']).doNothing())
      .execute();
  }

  async list(run: string): Promise<PolicyVersionRecord[]> {
    const rows = await this.#db
      .selectFrom('policy_versions')
      .select(['step', 'digest', 'chain_head'])
      .where('run', '=', run)
      .orderBy('step')
      .execute();
    return rows.map(({ chain_head, ...row }) => ({ ...row, chainHead: chain_head }));
  }
}
