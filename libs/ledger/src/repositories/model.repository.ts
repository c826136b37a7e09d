import { ENGINES, modelSourceSchema, SolopoError, type EngineKind, type ModelView } from '@solopo/contracts';
import type { Queries } from '../tables/database.ts';

export interface NewModel {
  readonly digest: string;
  readonly name: string;
  readonly family: string;
  /** With its `source`, where it has one, `warnings`, and the `engines` that can compute it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** File name to artifact digest. */
  readonly files: Readonly<Record<string, string>>;
  readonly parameters: number;
}

export type ModelRecord = NewModel & ModelView;

export class ModelRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async register(model: NewModel): Promise<void> {
    const { config, files } = model;
    await this.#db
      .insertInto('models')
      .values({ ...model, config: JSON.stringify(config), files: JSON.stringify(files) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** By digest, or the latest of that name. */
  async find(nameOrDigest: string): Promise<ModelRecord | null> {
    const row = await this.#db
      .selectFrom('models')
      .selectAll()
      .where((is) => is.or([is('digest', '=', nameOrDigest), is('name', '=', nameOrDigest)]))
      .orderBy('created_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return null;
    const { created_at, ...model } = row;
    return { ...model, ...toldOf(model.config), createdAt: created_at.toISOString() };
  }

  async require(nameOrDigest: string): Promise<ModelRecord> {
    const model = await this.find(nameOrDigest);
    if (model === null)
      throw new SolopoError('not-found', `There is no model ${nameOrDigest}; register it with POST /v1/models.`);
    return model;
  }

  async list(): Promise<ModelView[]> {
    const rows = await this.#db
      .selectFrom('models')
      .select(['digest', 'name', 'family', 'parameters', 'config', 'created_at'])
      .orderBy('created_at')
      .orderBy('name')
      .execute();
    return rows.map(({ created_at, config, ...model }) => ({
      ...model,
      ...toldOf(config),
      createdAt: created_at.toISOString(),
    }));
  }
}

/** Models that are older than these records have none; every engine has those. */
function toldOf({ source, warnings, engines }: NewModel['config']): Pick<ModelView, 'source' | 'warnings' | 'engines'> {
  return {
    source: modelSourceSchema.safeParse(source).data ?? null,
    warnings: Array.isArray(warnings) ? warnings.map(String) : [],
    engines: Array.isArray(engines) ? (engines as EngineKind[]) : ENGINES,
  };
}
