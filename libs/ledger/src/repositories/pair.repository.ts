import { SolopoError, type Example, type PairView } from '@solopo/contracts';
import { sql } from 'kysely';
import { batches } from '../batches.ts';
import { bytesOfTokens, tokensOfBytes, type TokenIds } from '../bytes.ts';
import type { Range } from '../range.ts';
import type { EvidenceSpan } from './context.repository.ts';
import type { Queries } from '../tables/database.ts';
import { storableText } from '../text.ts';
import { arrayBatches, columnsOf, unnested } from '../unnested.ts';

export interface NewPair {
  readonly position: number;
  /** Of its content: both contexts and both responses. */
  readonly digest: string;
  readonly shortContext: string;
  readonly longContext: string;
  readonly chosen: TokenIds;
  /** Empty where there is no rejected answer, as its text is. */
  readonly rejected: TokenIds;
  readonly chosenText: string;
  readonly rejectedText: string;
  /** Null: the gold answer. */
  readonly chosenSample: number | null;
  /** Null: there is no rejected answer. */
  readonly rejectedSample: number | null;
  readonly heldOut: boolean;
  /** From 0 within the held-out pairs, and from 0 within the training pairs. */
  readonly ordinal: number;
}

export interface PairRefusal {
  readonly position: number;
  readonly reason: string;
}

/** A pair with the tokens of its contexts: all that scoring and training read. */
export interface PairRecord {
  readonly position: number;
  readonly digest: string;
  readonly heldOut: boolean;
  readonly ordinal: number;
  readonly short: Int32Array;
  readonly long: Int32Array;
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
}

/** A pair as it was recorded: by reference to its contexts and samples. */
export interface PairEvidence extends Omit<NewPair, 'chosen' | 'rejected'> {
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
}

export interface PairFilter {
  readonly split?: 'training' | 'held-out' | undefined;
  /** In the question, the chosen or the rejected response, whatever the case. */
  readonly search?: string | undefined;
  readonly minLongTokens?: number | undefined;
  readonly maxLongTokens?: number | undefined;
}

/** A pair for people, with the tokens they want to see as text. */
export interface PairDetail extends PairView {
  readonly position: number;
  readonly shortContext: ContextTokens;
  readonly longContext: ContextTokens;
  readonly chosenTokens: Int32Array;
  readonly rejectedTokens: Int32Array;
}

export interface ContextTokens {
  readonly tokens: Int32Array;
  readonly evidence: readonly EvidenceSpan[];
}

const TYPES = {
  stage: 'text',
  position: 'integer',
  digest: 'text',
  short_context: 'text',
  long_context: 'text',
  chosen: 'bytea',
  rejected: 'bytea',
  chosen_text: 'text',
  rejected_text: 'text',
  chosen_sample: 'integer',
  rejected_sample: 'integer',
  held_out: 'boolean',
  ordinal: 'integer',
} as const;

export class PairRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** The same pairs again change nothing; other pairs in their places are refused. */
  async insert(stage: string, pairs: readonly NewPair[]): Promise<void> {
    const rows = pairs.map((pair) => ({
      stage,
      position: pair.position,
      digest: pair.digest,
      short_context: pair.shortContext,
      long_context: pair.longContext,
      chosen: bytesOfTokens(pair.chosen),
      rejected: bytesOfTokens(pair.rejected),
      chosen_text: storableText(pair.chosenText),
      rejected_text: storableText(pair.rejectedText),
      chosen_sample: pair.chosenSample,
      rejected_sample: pair.rejectedSample,
      held_out: pair.heldOut,
      ordinal: pair.ordinal,
    }));
    for (const batch of arrayBatches(rows))
      await this.#db
        .insertInto('pairs')
        .columns(columnsOf(TYPES))
        .expression(unnested(TYPES, batch))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    await this.#refuseOthers(stage, pairs);
  }

  async refuse(stage: string, refusals: readonly PairRefusal[]): Promise<void> {
    for (const batch of batches(refusals.map((refusal) => ({ stage, ...refusal }))))
      await this.#db
        .insertInto('pair_refusals')
        .values(batch)
        .onConflict((conflict) => conflict.columns(['stage', 'position']).doNothing())
        .execute();
  }

  async refusals(stage: string): Promise<PairRefusal[]> {
    return this.#db
      .selectFrom('pair_refusals')
      .select(['position', 'reason'])
      .where('stage', '=', stage)
      .orderBy('position')
      .execute();
  }

  /** Responses of the pairs that the limit of new tokens cut off, of the samples of that stage. */
  async cutAnswers(stage: string, samples: string): Promise<number> {
    const { count } = await this.#db
      .selectFrom('pairs')
      .innerJoin('samples', (join) =>
        join
          .onRef('samples.position', '=', 'pairs.position')
          .on('samples.stage', '=', samples)
          .on('samples.finish', '=', 'length')
          .on(sql<boolean>`samples.sample_index in (pairs.chosen_sample, pairs.rejected_sample)`),
      )
      .select((columns) => columns.fn.countAll<number>().as('count'))
      .where('pairs.stage', '=', stage)
      .executeTakeFirstOrThrow();
    return count;
  }

  /** The pairs of a split by ordinal: the range counts within it. */
  async list(stage: string, split: 'training' | 'held-out', range: Range): Promise<PairRecord[]> {
    return recordsOf(
      await this.#records(stage)
        .where('pairs.held_out', '=', split === 'held-out')
        .where('pairs.ordinal', '>=', range.from)
        .where('pairs.ordinal', '<', range.to)
        .orderBy('pairs.ordinal')
        .execute(),
    );
  }

  /** Of a split, by ordinal. */
  async digests(stage: string, split: 'training' | 'held-out'): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('pairs')
      .select('digest')
      .where('stage', '=', stage)
      .where('held_out', '=', split === 'held-out')
      .orderBy('ordinal')
      .execute();
    return rows.map(({ digest }) => digest);
  }

  /** The rows themselves, whatever became of what they refer to: the first `limit` behind a position. */
  async evidence(stage: string, { after, limit }: { after: number; limit: number }): Promise<PairEvidence[]> {
    const rows = await this.#db
      .selectFrom('pairs')
      .select(['position', 'digest', 'short_context as shortContext', 'long_context as longContext'])
      .select(['chosen', 'rejected', 'chosen_sample as chosenSample', 'rejected_sample as rejectedSample'])
      .select(['chosen_text as chosenText', 'rejected_text as rejectedText', 'held_out as heldOut', 'ordinal'])
      .where('stage', '=', stage)
      .where('position', '>', after)
      .orderBy('position')
      .limit(limit)
      .execute();
    return rows.map(({ chosen, rejected, ...row }) => ({
      ...row,
      chosen: tokensOfBytes(chosen),
      rejected: tokensOfBytes(rejected),
    }));
  }

  async training(stage: string, ordinals: readonly number[]): Promise<PairRecord[]> {
    return recordsOf(
      await this.#records(stage)
        .where('pairs.held_out', '=', false)
        .where('pairs.ordinal', '=', sql<number>`any(${[...ordinals]}::integer[])`)
        .orderBy('pairs.ordinal')
        .execute(),
    );
  }

  /** For people: with texts instead of tokens. */
  async views(stage: string, range: Range, filter: PairFilter = {}): Promise<PairView[]> {
    const { split, search, minLongTokens, maxLongTokens } = filter;
    const texts = [sql`examples.content->>'question'`, sql`pairs.chosen_text`, sql`pairs.rejected_text`];
    const rows = await this.#views(stage)
      .$if(split !== undefined, (pairs) => pairs.where('pairs.held_out', '=', split === 'held-out'))
      .$if(search !== undefined, (pairs) =>
        pairs.where((is) =>
          is.or(texts.map((text) => sql<boolean>`strpos(lower(${text}), lower(${search ?? ''}::text)) > 0`)),
        ),
      )
      .$if(minLongTokens !== undefined, (pairs) => pairs.where('long.token_count', '>=', minLongTokens ?? 0))
      .$if(maxLongTokens !== undefined, (pairs) => pairs.where('long.token_count', '<=', maxLongTokens ?? 0))
      .orderBy('pairs.position')
      .offset(range.from)
      .limit(range.to - range.from)
      .execute();
    return rows.map(viewOf);
  }

  async detail(stage: string, digest: string): Promise<PairDetail> {
    const row = await this.#views(stage)
      .select(['pairs.position', 'pairs.chosen', 'pairs.rejected'])
      .select(['short.tokens as short', 'short.evidence as short_evidence'])
      .select(['long.tokens as long', 'long.evidence as long_evidence'])
      .where('pairs.digest', '=', digest)
      .orderBy('pairs.position')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined)
      throw new SolopoError(
        'not-found',
        `There is no pair ${digest} in this run; list them with GET /v1/runs/{id}/pairs.`,
      );
    return {
      ...viewOf(row),
      position: row.position,
      shortContext: { tokens: tokensOfBytes(row.short), evidence: row.short_evidence },
      longContext: { tokens: tokensOfBytes(row.long), evidence: row.long_evidence },
      chosenTokens: tokensOfBytes(row.chosen),
      rejectedTokens: tokensOfBytes(row.rejected),
    };
  }

  #views(stage: string) {
    return this.#db
      .selectFrom('pairs')
      .innerJoin('stages as pairing', 'pairing.digest', 'pairs.stage')
      .innerJoin('stages as sampling', (join) => join.on('sampling.digest', '=', sql`pairing.spec->>'sample'`))
      .innerJoin('stages as composing', (join) => join.on('composing.digest', '=', sql`sampling.spec->>'compose'`))
      .innerJoin('examples', (join) =>
        join
          .on('examples.dataset', '=', sql`composing.spec->>'dataset'`)
          .onRef('examples.position', '=', 'pairs.position'),
      )
      .innerJoin('contexts as short', 'short.digest', 'pairs.short_context')
      .innerJoin('contexts as long', 'long.digest', 'pairs.long_context')
      .select(['pairs.digest', 'pairs.held_out', 'pairs.chosen_text', 'pairs.rejected_text', 'pairs.rejected_sample'])
      .select(['examples.content'])
      .select(['short.token_count as short_tokens', 'long.token_count as long_tokens'])
      .where('pairs.stage', '=', stage);
  }

  #records(stage: string) {
    return this.#db
      .selectFrom('pairs')
      .innerJoin('contexts as short', 'short.digest', 'pairs.short_context')
      .innerJoin('contexts as long', 'long.digest', 'pairs.long_context')
      .select(['pairs.position', 'pairs.digest', 'pairs.held_out', 'pairs.ordinal', 'pairs.chosen', 'pairs.rejected'])
      .select(['short.tokens as short', 'long.tokens as long'])
      .where('pairs.stage', '=', stage);
  }

  async #refuseOthers(stage: string, pairs: readonly NewPair[]): Promise<void> {
    const rows = await this.#db
      .selectFrom('pairs')
      .select(['position', 'digest'])
      .where('stage', '=', stage)
      .where('position', '=', sql<number>`any(${pairs.map(({ position }) => position)}::integer[])`)
      .execute();
    const kept = new Map(rows.map(({ position, digest }) => [position, digest]));
    const other = pairs.find(({ position, digest }) => kept.get(position) !== digest);
    if (other !== undefined)
      throw new SolopoError(
        'conflict',
        `Example ${other.position} gave another pair than before in stage ${stage}; pairing must be deterministic: report this as a defect.`,
      );
  }
}

interface PairRow {
  readonly position: number;
  readonly digest: string;
  readonly held_out: boolean;
  readonly ordinal: number;
  readonly chosen: Buffer;
  readonly rejected: Buffer;
  readonly short: Buffer;
  readonly long: Buffer;
}

interface PairViewRow {
  readonly digest: string;
  readonly held_out: boolean;
  readonly chosen_text: string;
  readonly rejected_text: string;
  readonly rejected_sample: number | null;
  readonly content: Example;
  readonly short_tokens: number;
  readonly long_tokens: number;
}

function viewOf(row: PairViewRow): PairView {
  return {
    digest: row.digest,
    example: row.content.id,
    heldOut: row.held_out,
    question: row.content.question,
    chosen: row.chosen_text,
    rejected: row.rejected_sample === null ? null : row.rejected_text,
    shortTokens: row.short_tokens,
    longTokens: row.long_tokens,
  };
}

function recordsOf(rows: readonly PairRow[]): PairRecord[] {
  return rows.map(({ held_out, chosen, rejected, short, long, ...row }) => ({
    ...row,
    heldOut: held_out,
    chosen: tokensOfBytes(chosen),
    rejected: tokensOfBytes(rejected),
    short: tokensOfBytes(short),
    long: tokensOfBytes(long),
  }));
}
