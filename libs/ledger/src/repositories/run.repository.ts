import {
  SolopoError,
  type RunConfig,
  type RunState,
  type RunSummary,
  type RunView,
  type RunWarning,
  type StageView,
} from '@solopo/contracts';
import { sql } from 'kysely';
import {
  runProgress,
  runSecondsLeft,
  stageProgress,
  stageSecondsLeft,
  type Pace,
  type PacedStage,
} from '../progress.ts';
import type { Queries } from '../tables/database.ts';
import type { ResolvedInputs } from '../tables/live.tables.ts';
import { DONE_OUTCOMES } from './attempt.repository.ts';
import { countOf, stageWarnings } from './run-warnings.ts';
import { STAGE_COLUMNS, stageOf, type StageRecord } from './stage.repository.ts';

export interface NewRun {
  readonly id: string;
  readonly config: RunConfig;
  readonly resolved: ResolvedInputs;
  /** Known before anything is done. */
  readonly warnings?: readonly RunWarning[];
}

/** A stage as one of its runs sees it. */
export interface SubscribedStage extends StageRecord {
  /** What the run calls it: unique within the run. */
  readonly label: string;
}

export interface RunFilter {
  readonly state?: RunState | undefined;
  /** The id of a run: only those created before it. */
  readonly before?: string | undefined;
  readonly limit?: number;
}

export interface RunRecord extends NewRun {
  readonly state: RunState;
}

/** What a slice of training adds to its run. */
export interface TrainingProgress {
  readonly step: number;
  readonly chainHead: string;
  /** Digest of the policy's weights. */
  readonly policyDigest: string;
  /** Of this slice alone. */
  readonly policyTokens: number;
  /** Spent in gradient steps, in this slice alone. */
  readonly seconds: number;
}

export class RunRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async create({ id, config, resolved, warnings = [] }: NewRun): Promise<void> {
    await this.#db
      .insertInto('runs')
      .values({
        id,
        name: config.name,
        config: JSON.stringify(config),
        resolved: JSON.stringify(resolved),
        warnings: JSON.stringify(warnings),
        state: 'running',
      })
      .execute();
  }

  async find(id: string): Promise<RunRecord | null> {
    return (await this.#records().where('id', '=', id).executeTakeFirst()) ?? null;
  }

  async require(id: string): Promise<RunRecord> {
    return (await this.find(id)) ?? missing(id);
  }

  async counts(): Promise<{ readonly state: RunState; readonly runs: number }[]> {
    return this.#db
      .selectFrom('runs')
      .select(['state', sql<number>`count(*)`.as('runs')])
      .groupBy('state')
      .execute();
  }

  /** Those of the runs that are running, locked until the transaction ends, always in the same order. */
  async lockRunning(ids: readonly string[]): Promise<RunRecord[]> {
    return this.#records()
      .where('id', '=', sql<string>`any(${[...ids]}::text[])`)
      .where('state', '=', 'running')
      .orderBy('id')
      .forNoKeyUpdate()
      .execute();
  }

  /** The runs that failed with the reason of one of the stage's dead letters, locked like running ones. */
  async lockFailedBy(stage: string): Promise<RunRecord[]> {
    return this.#records()
      .where('state', '=', 'failed')
      .where('id', 'in', (query) => query.selectFrom('run_stages').select('run').where('stage', '=', stage))
      .where('error', 'in', (query) =>
        query
          .selectFrom('dead_letters')
          .select('reason')
          .where(sql`job->>'stage'`, '=', stage),
      )
      .orderBy('id')
      .forNoKeyUpdate()
      .execute();
  }

  /** The running runs that want the stage. */
  async subscribers(stage: string): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('run_stages')
      .innerJoin('runs', 'runs.id', 'run_stages.run')
      .select('runs.id')
      .where('run_stages.stage', '=', stage)
      .where('runs.state', '=', 'running')
      .orderBy('runs.id')
      .execute();
    return rows.map(({ id }) => id);
  }

  async subscribe(run: string, stage: string, label: string): Promise<void> {
    await this.#db.insertInto('run_stages').values({ run, stage, label }).execute();
  }

  /** The stages the run is subscribed to, in the order it came to them. */
  async stages(run: string): Promise<SubscribedStage[]> {
    const rows = await this.#stages().where('run_stages.run', '=', run).execute();
    return rows.map(subscribedOf);
  }

  async end(id: string, state: Exclude<RunState, 'running'>, error: string | null = null): Promise<void> {
    await this.#db
      .updateTable('runs')
      .set({ state, error, finished_at: sql<Date>`clock_timestamp()` })
      .where('id', '=', id)
      .execute();
  }

  /** A failed run is running again. */
  async resume(id: string): Promise<void> {
    await this.#db
      .updateTable('runs')
      .set({ state: 'running', error: null, finished_at: null })
      .where('id', '=', id)
      .execute();
  }

  async planSteps(id: string, steps: number): Promise<void> {
    await this.#db.updateTable('runs').set({ steps }).where('id', '=', id).execute();
  }

  async recordTraining(id: string, progress: TrainingProgress): Promise<void> {
    const { step, chainHead, policyDigest, policyTokens, seconds } = progress;
    await this.#db
      .updateTable('runs')
      .set((column) => ({
        step,
        chain_head: chainHead,
        policy_digest: policyDigest,
        policy_tokens: column('policy_tokens', '+', policyTokens),
        train_seconds: column('train_seconds', '+', seconds),
      }))
      .where('id', '=', id)
      .execute();
  }

  async view(id: string): Promise<RunView> {
    const row = await this.#db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) return missing(id);
    const work = await this.#work([id]);
    return viewOf(row, (await this.#paced([id])).map(pacedOf), work.get(id));
  }

  /** Latest first, without what of a configuration may be long. */
  async summaries({ state, before, limit = 100 }: RunFilter = {}): Promise<RunSummary[]> {
    const start = this.#db
      .selectFrom('runs')
      .select('created_at')
      .where('id', '=', before ?? '');
    const runs = await this.#db
      .selectFrom('runs')
      .select(SUMMARY_COLUMNS)
      .select(SHORT_CONFIG.as('config'))
      .$if(state !== undefined, (all) => all.where('state', '=', state ?? 'running'))
      .$if(before !== undefined, (all) => all.where('created_at', '<', start))
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .limit(limit)
      .execute();
    const ids = runs.map(({ id }) => id);
    const stages = Map.groupBy(await this.#paced(ids), ({ run }) => run);
    const work = await this.#work(ids);
    return runs.map((run) => summaryOf(run, (stages.get(run.id) ?? []).map(pacedOf), work.get(run.id)));
  }

  #records() {
    return this.#db.selectFrom('runs').select(['id', 'config', 'resolved', 'state']);
  }

  #stages() {
    return this.#db
      .selectFrom('run_stages')
      .innerJoin('stages', 'stages.digest', 'run_stages.stage')
      .select(STAGE_COLUMNS)
      .select(['run_stages.run', 'run_stages.label'])
      .orderBy('run_stages.ordinal');
  }

  /** By run: jobs of its stages whose effects are there, and executions that were begun for its stages. */
  async #work(runs: readonly string[]): Promise<ReadonlyMap<string, RunView['work']>> {
    const rows = await this.#db
      .selectFrom('run_stages')
      .innerJoin('attempts', 'attempts.stage', 'run_stages.stage')
      .select([
        'run_stages.run',
        sql<number>`count(distinct job) filter (where outcome = any(${[...DONE_OUTCOMES]}::text[]))`.as('jobs'),
        sql<number>`count(*)`.as('executions'),
      ])
      .where('run_stages.run', '=', sql<string>`any(${[...runs]}::text[])`)
      .groupBy('run_stages.run')
      .execute();
    return new Map(rows.map(({ run, ...work }) => [run, work]));
  }

  /** The runs' stages with how fast their chunks go. */
  #paced(runs: readonly string[]): Promise<PacedRow[]> {
    const jobs = sql`(
      select coalesce(jsonb_agg(jsonb_build_object(
        'seconds', extract(epoch from clock_timestamp() - since)::float8, 'progress', progress) order by since), '[]')
      from leases where leases.stage = stages.digest and expires_at > clock_timestamp()
    )`;
    const pace = sql<Pace>`(
      select jsonb_build_object(
        'secondsPerChunk', avg(seconds) filter (where state = 'done'),
        'running', count(*) filter (where state = 'running'),
        'itemsDone', coalesce(sum(items_done), 0),
        'seconds', coalesce(sum(seconds), 0),
        'jobs', ${jobs},
        'earlier', case when stages.state <> 'done' then ${EARLIER} end
      )
      from stage_chunks where stage_chunks.stage = stages.digest
    )`;
    return this.#stages()
      .select(pace.as('pace'))
      .where('run_stages.run', '=', sql<string>`any(${[...runs]}::text[])`)
      .execute();
  }
}

/** What must be equal for two stages of a kind to take about the same time an item. */
const ALIKE = sql.join(
  ['model', 'documents', 'context', 'arm', 'adapter', 'frozenWeights', 'engine', 'precision'].map(
    (key) => sql`other.spec -> ${sql.lit(key)} is not distinct from stages.spec -> ${sql.lit(key)}`,
  ),
  sql` and `,
);

const EARLIER = sql`(
  select jsonb_build_object('items', coalesce(sum(items_done), 0), 'seconds', coalesce(sum(seconds), 0))
  from stage_chunks
  where stage in (
    select other.digest from stages other
    where other.kind = stages.kind and other.state = 'done' and other.items > 0 and ${ALIKE}
    order by other.finished_at desc limit 3
  )
)`;

type StageRow = Parameters<typeof stageOf>[0] & { readonly label: string };
type PacedRow = StageRow & { readonly run: string; readonly pace: Pace };

interface RunRow<C extends ShortConfig = ShortConfig> {
  readonly id: string;
  readonly config: C;
  readonly state: RunState;
  readonly error: string | null;
  readonly step: number;
  readonly steps: number | null;
  readonly chain_head: string | null;
  readonly policy_digest: string | null;
  readonly policy_tokens: number;
  readonly train_seconds: number;
  readonly created_at: Date;
  readonly finished_at: Date | null;
  readonly warnings: readonly RunWarning[];
}

const SUMMARY_COLUMNS = [
  'id',
  'state',
  'error',
  'step',
  'steps',
  'chain_head',
  'policy_digest',
  'policy_tokens',
  'train_seconds',
  'created_at',
  'finished_at',
  'warnings',
] as const satisfies readonly (keyof RunRow)[];

/** What of it has no bound stays in the database. */
const SHORT_CONFIG = sql<ShortConfig>`config #- '{prompt,system}' #- '{prompt,separator}' #- '{adapter,targets}'`;

type ShortConfig = Omit<RunConfig, 'adapter' | 'prompt'> & {
  readonly adapter: Omit<NonNullable<RunConfig['adapter']>, 'targets'> | null;
  readonly prompt: Pick<RunConfig['prompt'], 'controlTokens'>;
};

function subscribedOf(row: StageRow): SubscribedStage {
  return { ...stageOf(row), label: row.label };
}

function pacedOf(row: PacedRow): PacedStage {
  return { ...subscribedOf(row), pace: row.pace };
}

function viewOf(run: RunRow<RunConfig>, stages: readonly PacedStage[], work?: RunView['work']): RunView {
  return { ...summaryOf(run, stages, work), config: run.config };
}

function summaryOf(
  run: RunRow,
  stages: readonly PacedStage[],
  work: RunView['work'] = { jobs: 0, executions: 0 },
): RunSummary {
  const { name, model, dataset, arm, engine, precision, objective, adapter, pairing, evaluation } = run.config;
  const pair = stages.find(({ kind, state }) => kind === 'pair' && state === 'done');
  const pairs = pair === undefined ? null : countOf(pair, 'pairs');
  return {
    id: run.id,
    config: {
      name,
      model,
      dataset,
      arm,
      engine,
      precision,
      objective,
      adapter: adapter && { kind: adapter.kind, rank: adapter.rank },
      pairing: { mode: pairing.mode, heldOutPairs: pairing.heldOutPairs },
      evaluation: evaluation && { dataset: evaluation.dataset, documents: evaluation.documents },
    },
    state: run.state,
    error: run.error,
    createdAt: run.created_at.toISOString(),
    finishedAt: run.finished_at?.toISOString() ?? null,
    step: run.step,
    steps: run.steps,
    chainHead: run.chain_head,
    policyDigest: run.policy_digest,
    policyTokens: run.policy_tokens,
    referenceTokens: stages.reduce((sum, stage) => sum + (isTrainingScore(stage) ? countOf(stage, 'tokens') : 0), 0),
    trainSeconds: run.train_seconds,
    work,
    pairs,
    leftOver: pairs === null ? null : leftOver(pairs, run.config.training),
    progress: runProgress(run, stages),
    etaSeconds: runSecondsLeft(run, stages),
    stages: stages.map((stage) => stageViewOf(stage, run.state)),
    warnings: [...run.warnings, ...stageWarnings(run.config, stages)],
  };
}

/** Pairs behind the last whole step of an epoch, which are not trained on in it; fewer than one step are one step. */
function leftOver(pairs: number, { pairsPerStep }: RunConfig['training']): number {
  return pairs < pairsPerStep ? 0 : pairs % pairsPerStep;
}

/** Held-out pairs are scored for the metrics, not for training. */
function isTrainingScore({ spec }: StageRecord): boolean {
  return spec.kind === 'score' && spec.split === 'training';
}

/** A run that has ended waits for none of its stages, whoever else does. */
function stageViewOf(stage: PacedStage, run: RunState): StageView {
  const { digest, kind, label, state, chunks, chunksDone, startedAt, finishedAt, result, pace } = stage;
  const isCancelled = run !== 'running' && (state === 'pending' || state === 'running');
  const progress = stageProgress(stage);
  return {
    digest,
    kind,
    label,
    state: isCancelled ? 'cancelled' : state,
    chunks,
    chunksDone,
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
    secondsPerChunk: pace.secondsPerChunk,
    progress: isCancelled ? { ...progress, phase: null } : progress,
    etaSeconds: isCancelled ? null : stageSecondsLeft(stage),
    result,
  };
}

function missing(id: string): never {
  throw new SolopoError('not-found', `There is no run ${id}; list the runs with GET /v1/runs.`);
}
