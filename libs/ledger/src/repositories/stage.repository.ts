import { SolopoError, type EngineKind, type StageKind, type StageSpec } from '@solopo/contracts';
import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';
import type { WorkState } from '../tables/live.tables.ts';

export interface NewStage {
  readonly digest: string;
  readonly spec: StageSpec;
  readonly chunks: number;
  /** What its chunks are ranges of: examples, questions, pairs or steps. */
  readonly items?: number | null;
}

export interface StageRecord extends NewStage {
  readonly items: number | null;
  readonly kind: StageKind;
  readonly state: WorkState;
  readonly chunksDone: number;
  /** How often it was taken up again after a failure or a cancellation. */
  readonly revivals: number;
  /** Counts of the chunks done so far. */
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
}

export interface ChunkState {
  readonly state: WorkState;
  /** Of the chunk's items, from its first. */
  readonly itemsDone: number;
}

export interface ReplayStage extends StageRecord {
  readonly error: string | null;
  readonly createdAt: Date;
}

/** What working on a chunk, or a part of it, came to. */
export interface ChunkProgress {
  readonly seconds: number;
  /** The stage's counts so far, with these. */
  readonly result: Readonly<Record<string, unknown>> | null;
}

/** A chunk that a running run waits for, or whoever asked for a replay. */
export interface WantedChunk {
  readonly digest: string;
  readonly spec: StageSpec;
  readonly revivals: number;
  readonly chunk: number;
  readonly itemsDone: number;
  /** Whether a process works on it now. */
  readonly isLeased: boolean;
  /** Whether its job is not published yet. */
  readonly isInOutbox: boolean;
}

/** Chunks of all stages of a kind. */
export interface KindWork {
  readonly engine: EngineKind;
  readonly kind: StageKind;
  readonly done: number;
  readonly failed: number;
  /** Mean of the chunks that are done; null before the first. */
  readonly meanSeconds: number | null;
}

export class StageRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** False: the stage was there already. */
  async insert({ digest, spec, chunks, items = null }: NewStage): Promise<boolean> {
    const inserted = await this.#db
      .insertInto('stages')
      .values({ digest, kind: spec.kind, spec: JSON.stringify(spec), chunks, items })
      .onConflict((conflict) => conflict.column('digest').doNothing())
      .returning('digest')
      .executeTakeFirst();
    if (inserted === undefined) return false;
    await this.#db
      .insertInto('stage_chunks')
      .columns(['stage', 'chunk'])
      .expression(sql`select ${digest}::text, chunk from generate_series(0, ${chunks}::integer - 1) as chunk`)
      .execute();
    return true;
  }

  async isThere(digest: string): Promise<boolean> {
    return (await this.#stage(digest).executeTakeFirst()) !== undefined;
  }

  async require(digest: string): Promise<StageRecord> {
    const row = await this.#stage(digest).executeTakeFirst();
    return row === undefined ? missing(digest) : stageOf(row);
  }

  /** Until the transaction ends nobody else changes the stage or its chunks. */
  async lock(digest: string): Promise<StageRecord> {
    const row = await this.#stage(digest).forNoKeyUpdate().executeTakeFirst();
    return row === undefined ? missing(digest) : stageOf(row);
  }

  async chunkState(digest: string, chunk: number): Promise<ChunkState> {
    const row = await this.#chunk(digest, chunk).executeTakeFirst();
    if (row === undefined)
      throw new SolopoError('input-invalid', `Stage ${digest} has no chunk ${chunk}; drop the job that names it.`);
    return { state: row.state, itemsDone: row.items_done };
  }

  async openChunks(digest: string): Promise<number[]> {
    const rows = await this.#db
      .selectFrom('stage_chunks')
      .select('chunk')
      .where('stage', '=', digest)
      .where('state', '!=', 'done')
      .orderBy('chunk')
      .execute();
    return rows.map(({ chunk }) => chunk);
  }

  /** The chunks not done of all stages that a running run wants, and of replays, by stage and in their order. */
  async wantedChunks(): Promise<WantedChunk[]> {
    const { rows } = await sql<WantedChunk>`
      with unpublished as materialized (
        select payload ->> 'stage' as stage, (payload ->> 'chunk')::integer as chunk
        from outbox
        where published_at is null and subject like 'jobs.%'
      )
      select stages.digest, stages.spec, stages.revivals, chunks.chunk, chunks.items_done as "itemsDone",
        exists (
          select from leases
          where leases.stage = chunks.stage and leases.chunk = chunks.chunk and expires_at > clock_timestamp()
        ) as "isLeased",
        exists (
          select from unpublished where unpublished.stage = chunks.stage and unpublished.chunk = chunks.chunk
        ) as "isInOutbox"
      from stages
      join stage_chunks as chunks on chunks.stage = stages.digest
      where stages.state in ('pending', 'running')
        and chunks.state <> 'done'
        and (stages.kind = 'replay' or exists (
          select from run_stages
          join runs on runs.id = run_stages.run
          where run_stages.stage = stages.digest and runs.state = 'running'
        ))
      order by stages.digest, chunks.chunk
    `.execute(this.#db);
    return rows;
  }

  /** An execution of the chunk begins: how many there were with this one, and whether the stage began with it. */
  async beginChunk(digest: string, chunk: number): Promise<{ readonly execution: number; readonly isFirst: boolean }> {
    const { attempts } = await this.#db
      .updateTable('stage_chunks')
      .set((column) => ({ state: 'running', attempts: column('attempts', '+', 1) }))
      .where('stage', '=', digest)
      .where('chunk', '=', chunk)
      .returning('attempts')
      .executeTakeFirstOrThrow();
    const begun = await this.#db
      .updateTable('stages')
      .set({ state: 'running', started_at: sql<Date>`coalesce(started_at, clock_timestamp())` })
      .where('digest', '=', digest)
      .where('state', '=', 'pending')
      .returning('digest')
      .executeTakeFirst();
    return { execution: attempts, isFirst: begun !== undefined };
  }

  /** A part of the chunk is done: `itemsDone` of its items in all. */
  async continueChunk(
    digest: string,
    chunk: number,
    { itemsDone, seconds, result }: ChunkProgress & { readonly itemsDone: number },
  ): Promise<StageRecord> {
    await this.#db
      .updateTable('stage_chunks')
      .set({ items_done: itemsDone, seconds: addedSeconds(seconds) })
      .where('stage', '=', digest)
      .where('chunk', '=', chunk)
      .execute();
    const row = await this.#db
      .updateTable('stages')
      .set({ result: result === null ? null : JSON.stringify(result) })
      .where('digest', '=', digest)
      .returning(STAGE_COLUMNS)
      .executeTakeFirstOrThrow();
    return stageOf(row);
  }

  /** Counts the chunk as done, and the stage with its last one. */
  async finishChunk(
    digest: string,
    chunk: number,
    { items, seconds, result }: ChunkProgress & { readonly items?: number },
  ): Promise<StageRecord> {
    await this.#db
      .updateTable('stage_chunks')
      .set({
        state: 'done',
        seconds: addedSeconds(seconds),
        error: null,
        ...(items === undefined ? {} : { items_done: items }),
      })
      .where('stage', '=', digest)
      .where('chunk', '=', chunk)
      .execute();
    const last = sql<boolean>`chunks_done + 1 = chunks`;
    const row = await this.#db
      .updateTable('stages')
      .set({
        chunks_done: sql<number>`chunks_done + 1`,
        result: result === null ? null : JSON.stringify(result),
        state: sql<WorkState>`case when ${last} then 'done' else 'running' end`,
        started_at: sql<Date>`coalesce(started_at, clock_timestamp())`,
        finished_at: sql<Date | null>`case when ${last} then clock_timestamp() end`,
      })
      .where('digest', '=', digest)
      .returning(STAGE_COLUMNS)
      .executeTakeFirstOrThrow();
    return stageOf(row);
  }

  async fail(digest: string, reason: string, chunk?: number): Promise<void> {
    await this.#db
      .updateTable('stages')
      .set({ state: 'failed', finished_at: sql<Date>`clock_timestamp()` })
      .where('digest', '=', digest)
      .execute();
    if (chunk === undefined) return;
    await this.#db
      .updateTable('stage_chunks')
      .set({ state: 'failed', error: reason })
      .where('stage', '=', digest)
      .where('chunk', '=', chunk)
      .execute();
  }

  /** Makes a failed or abandoned stage ready to be taken up again. */
  async revive(digest: string): Promise<StageRecord> {
    await this.#db
      .updateTable('stage_chunks')
      .set({ state: 'pending', error: null })
      .where('stage', '=', digest)
      .where('state', '!=', 'done')
      .execute();
    const row = await this.#db
      .updateTable('stages')
      .set({ state: 'pending', finished_at: null, revivals: sql<number>`revivals + 1` })
      .where('digest', '=', digest)
      .returning(STAGE_COLUMNS)
      .executeTakeFirstOrThrow();
    return stageOf(row);
  }

  /** Of the chunks that are done, in order. */
  async chunkSeconds(digest: string): Promise<{ readonly chunk: number; readonly seconds: number }[]> {
    const rows = await this.#db
      .selectFrom('stage_chunks')
      .select(['chunk', 'seconds'])
      .where('stage', '=', digest)
      .where('state', '=', 'done')
      .orderBy('chunk')
      .execute();
    return rows.flatMap(({ chunk, seconds }) => (seconds === null ? [] : [{ chunk, seconds }]));
  }

  /** Of a run, the latest first, each with the error that ended it. */
  async replays(run: string): Promise<ReplayStage[]> {
    const rows = await this.#db
      .selectFrom('stages')
      .select(STAGE_COLUMNS)
      .select([
        'created_at',
        sql<string | null>`(select error from stage_chunks where stage = digest and error is not null limit 1)`.as(
          'error',
        ),
      ])
      .where('kind', '=', 'replay')
      .where(sql`spec ->> 'run'`, '=', run)
      .orderBy('created_at', 'desc')
      .execute();
    return rows.map(({ error, created_at, ...row }) => ({ ...stageOf(row), error, createdAt: created_at }));
  }

  async workByKind(): Promise<KindWork[]> {
    return this.#db
      .selectFrom('stage_chunks')
      .innerJoin('stages', 'stages.digest', 'stage_chunks.stage')
      .select([
        'stages.kind',
        sql<EngineKind>`coalesce(stages.spec ->> 'engine', 'onnx')`.as('engine'),
        sql<number>`count(*) filter (where stage_chunks.state = 'done')`.as('done'),
        sql<number>`count(*) filter (where stage_chunks.state = 'failed')`.as('failed'),
        sql<number | null>`avg(seconds) filter (where stage_chunks.state = 'done')`.as('meanSeconds'),
      ])
      .groupBy(['stages.kind', sql`stages.spec ->> 'engine'`])
      .execute();
  }

  async kinds(digests: readonly string[]): Promise<ReadonlyMap<string, StageKind>> {
    const rows = await this.#db
      .selectFrom('stages')
      .select(['digest', 'kind'])
      .where('digest', '=', sql<string>`any(${[...digests]}::text[])`)
      .execute();
    return new Map(rows.map(({ digest, kind }) => [digest, kind]));
  }

  #stage(digest: string) {
    return this.#db.selectFrom('stages').select(STAGE_COLUMNS).where('digest', '=', digest);
  }

  #chunk(digest: string, chunk: number) {
    return this.#db
      .selectFrom('stage_chunks')
      .select(['state', 'items_done'])
      .where('stage', '=', digest)
      .where('chunk', '=', chunk);
  }
}

const addedSeconds = (seconds: number) => sql<number>`coalesce(seconds, 0) + ${seconds}`;

export const STAGE_COLUMNS = [
  'stages.digest',
  'stages.kind',
  'stages.spec',
  'stages.state',
  'stages.chunks',
  'stages.items',
  'stages.chunks_done',
  'stages.revivals',
  'stages.result',
  'stages.started_at',
  'stages.finished_at',
] as const;

interface StageRow {
  readonly digest: string;
  readonly kind: StageKind;
  readonly spec: StageSpec;
  readonly state: WorkState;
  readonly chunks: number;
  readonly items: number | null;
  readonly chunks_done: number;
  readonly revivals: number;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
}

export function stageOf(row: StageRow): StageRecord {
  const { digest, kind, spec, state, chunks, items, revivals, result } = row;
  const times = { startedAt: row.started_at, finishedAt: row.finished_at };
  return { digest, kind, spec, state, chunks, items, chunksDone: row.chunks_done, revivals, result, ...times };
}

function missing(digest: string): never {
  throw new SolopoError('not-found', `There is no stage ${digest}; drop the job that names it.`);
}
