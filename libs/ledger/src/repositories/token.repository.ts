import { SolopoError, type Scope, type TokenView } from '@solopo/contracts';
import { sql, type Selectable } from 'kysely';
import type { Queries } from '../tables/database.ts';
import type { LiveTables } from '../tables/live.tables.ts';

export interface NewToken {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the token. */
  readonly hash: Buffer;
}

/** Tokens of the public API: who holds one, never the token itself. */
export class TokenRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async issue({ name, scopes, hash }: NewToken): Promise<TokenView> {
    const row = await this.#db
      .insertInto('tokens')
      .values({ name, scopes: [...new Set(scopes)], hash })
      .onConflict((conflict) => conflict.doNothing())
      .returningAll()
      .executeTakeFirst();
    if (row === undefined)
      throw new SolopoError('conflict', `There is a token ${name} already; revoke it, or take another name.`);
    return viewOf(row);
  }

  /** The token of that hash, unless it was revoked. Its use is noted, once a minute. */
  async use(hash: Buffer): Promise<TokenView | null> {
    const valid = this.#db.selectFrom('tokens').selectAll().where('hash', '=', hash).where('revoked_at', 'is', null);
    const row = await valid.executeTakeFirst();
    if (row === undefined) return null;
    await this.#db
      .updateTable('tokens')
      .set({ last_used_at: sql<Date>`clock_timestamp()` })
      .where('id', '=', row.id)
      .where(sql<boolean>`coalesce(last_used_at < clock_timestamp() - interval '1 minute', true)`)
      .execute();
    return viewOf(row);
  }

  /** Of these tokens, by their hashes, those that were revoked, or are not known. */
  async refused(hashes: readonly Buffer[]): Promise<readonly Buffer[]> {
    if (hashes.length === 0) return [];
    const rows = await this.#db
      .selectFrom('tokens')
      .select('hash')
      .where('hash', 'in', [...hashes])
      .where('revoked_at', 'is', null)
      .execute();
    const valid = new Set(rows.map(({ hash }) => hash.toString('hex')));
    return hashes.filter((hash) => !valid.has(hash.toString('hex')));
  }

  /** Latest first. */
  async list(): Promise<TokenView[]> {
    const rows = await this.#db.selectFrom('tokens').selectAll().orderBy('id', 'desc').execute();
    return rows.map(viewOf);
  }

  async revoke(name: string): Promise<TokenView> {
    const row = await this.#db
      .updateTable('tokens')
      .set({ revoked_at: sql<Date>`clock_timestamp()` })
      .where('name', '=', name)
      .where('revoked_at', 'is', null)
      .returningAll()
      .executeTakeFirst();
    if (row === undefined)
      throw new SolopoError('not-found', `There is no valid token ${name}; list them with GET /v1/tokens.`);
    return viewOf(row);
  }
}

function viewOf({ name, scopes, created_at, last_used_at, revoked_at }: Selectable<LiveTables['tokens']>): TokenView {
  return {
    name,
    scopes,
    createdAt: created_at.toISOString(),
    lastUsedAt: last_used_at?.toISOString() ?? null,
    revokedAt: revoked_at?.toISOString() ?? null,
  };
}
