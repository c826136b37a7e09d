import { sql } from 'kysely';
import { batches } from '../batches.ts';
import { bytesOfTokens, tokensOfBytes, type TokenIds } from '../bytes.ts';
import type { Range } from '../range.ts';
import type { Queries } from '../tables/database.ts';

/** Where a relevant document lies in the tokens. */
export interface EvidenceSpan {
  readonly document: number;
  readonly start: number;
  readonly end: number;
}

export interface NewContext {
  /** Of its content: equal contexts are kept once. */
  readonly digest: string;
  readonly kind: string;
  readonly tokens: TokenIds;
  readonly evidence: readonly EvidenceSpan[];
}

/** The contexts that an example got in a compose stage, or why it got none. */
export type ContextAssignment =
  | { readonly position: number; readonly short: string; readonly long: string }
  | { readonly position: number; readonly refused: string };

export interface ContextRecord extends NewContext {
  readonly tokens: Int32Array;
  /** As the row has it beside its tokens. */
  readonly tokenCount: number;
}

export interface AssignedContext {
  readonly position: number;
  readonly digest: string;
  readonly tokens: Int32Array;
  readonly evidence: readonly EvidenceSpan[];
}

export class ContextRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async insert(contexts: readonly NewContext[]): Promise<void> {
    const unique = new Map(contexts.map((context) => [context.digest, context]));
    const rows = [...unique.values()]
      .sort((a, b) => (a.digest < b.digest ? -1 : 1))
      .map(({ digest, kind, tokens, evidence }) => ({
        digest,
        kind,
        tokens: bytesOfTokens(tokens),
        token_count: tokens.length,
        evidence: JSON.stringify(evidence),
      }));
    for (const batch of batches(rows))
      await this.#db
        .insertInto('contexts')
        .values(batch)
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .execute();
  }

  async assign(stage: string, assignments: readonly ContextAssignment[]): Promise<void> {
    const rows = assignments.map((assignment) => ({ stage, short: null, long: null, refused: null, ...assignment }));
    for (const batch of batches(rows))
      await this.#db
        .insertInto('stage_contexts')
        .values(batch)
        .onConflict((conflict) => conflict.columns(['stage', 'position']).doNothing())
        .execute();
  }

  /** The contexts of one kind, of examples [from, to) that were not refused. */
  async assigned(stage: string, kind: 'short' | 'long', range: Range): Promise<AssignedContext[]> {
    const rows = await this.#db
      .selectFrom('stage_contexts as assigned')
      .innerJoin('contexts', 'contexts.digest', `assigned.${kind}`)
      .select(['assigned.position', 'contexts.digest', 'contexts.tokens', 'contexts.evidence'])
      .where('assigned.stage', '=', stage)
      .where('assigned.position', '>=', range.from)
      .where('assigned.position', '<', range.to)
      .where('assigned.refused', 'is', null)
      .orderBy('assigned.position')
      .execute();
    return rows.map((row) => ({ ...row, tokens: tokensOfBytes(row.tokens) }));
  }

  async list(digests: readonly string[]): Promise<ContextRecord[]> {
    const rows = await this.#db
      .selectFrom('contexts')
      .select(['digest', 'kind', 'tokens', 'token_count as tokenCount', 'evidence'])
      .where('digest', '=', sql<string>`any(${[...digests]}::text[])`)
      .execute();
    return rows.map((row) => ({ ...row, tokens: tokensOfBytes(row.tokens) }));
  }

  /** Which contexts each example got, or why none. */
  async assignments(stage: string): Promise<ContextAssignment[]> {
    const rows = await this.#db
      .selectFrom('stage_contexts')
      .select(['position', 'short', 'long', 'refused'])
      .where('stage', '=', stage)
      .orderBy('position')
      .execute();
    return rows.map(({ position, short, long, refused }) =>
      short !== null && long !== null ? { position, short, long } : { position, refused: refused ?? '' },
    );
  }
}
