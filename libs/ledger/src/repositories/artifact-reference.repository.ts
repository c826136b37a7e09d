import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';

/** What of the artifact store somebody still needs. */
export class ArtifactReferenceRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** Digests of all that any row names: files of models, checkpoints, policies. */
  async all(): Promise<ReadonlySet<string>> {
    const { rows } = await sql<{ digest: string }>`
      select value as digest from models, jsonb_each_text(files)
      union select digest from checkpoints
      union select parameters_digest from checkpoints
      union select digest from policy_versions
    `.execute(this.#db);
    return new Set(rows.map(({ digest }) => digest));
  }
}
