import type { Queries } from '../tables/database.ts';

/** Weights and optimiser state after a step: where training goes on. */
export interface Checkpoint {
  readonly step: number;
  /** The artifact. */
  readonly digest: string;
  /** Of the parameters alone. */
  readonly parametersDigest: string;
}

export class CheckpointRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(run: string, { step, digest, parametersDigest }: Checkpoint): Promise<void> {
    await this.#db
      .insertInto('checkpoints')
      .values({ run, step, digest, parameters_digest: parametersDigest })
      .onConflict((conflict) => conflict.columns(['run', 'step']).doNothing())
      .execute();
  }

  async latest(run: string): Promise<Checkpoint | null> {
    const row = await this.#db
      .selectFrom('checkpoints')
      .select(['step', 'digest', 'parameters_digest'])
      .where('run', '=', run)
      .orderBy('step', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : viewOf(row);
  }

  async list(run: string): Promise<Checkpoint[]> {
    const rows = await this.#db
      .selectFrom('checkpoints')
      .select(['step', 'digest', 'parameters_digest'])
      .where('run', '=', run)
      .orderBy('step')
      .execute();
    return rows.map(viewOf);
  }
}

function viewOf({
  parameters_digest,
  ...row
}: {
  step: number;
  digest: string;
  parameters_digest: string;
}): Checkpoint {
  return { ...row, parametersDigest: parameters_digest };
}
