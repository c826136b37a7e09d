import { SolopoError, type StepView } from '@solopo/contracts';
import { batches } from '../batches.ts';
import type { Queries } from '../tables/database.ts';

/** What the first step of every chain follows. */
export const CHAIN_START = '0'.repeat(64);

export interface NewStep {
  /** From 1. */
  readonly step: number;
  readonly digest: string;
  /** Digest of the step before, or `CHAIN_START`. */
  readonly previousDigest: string;
  readonly pairDigests: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  /** Fingerprint of the engine that took it. */
  readonly engine: string;
  /** Seconds by phase; its digest does not cover them. */
  readonly phaseSeconds?: Readonly<Record<string, number>>;
}

export interface StepRecord extends Omit<NewStep, 'engine' | 'phaseSeconds'> {
  /** Null: the step is older than the column. */
  readonly engine: string | null;
}

export interface ChainHead {
  readonly step: number;
  readonly digest: string;
}

export interface EngineUse {
  readonly fingerprint: string;
  readonly steps: number;
  readonly lastUsed: Date;
}

export class StepRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** The last step of the run's chain. */
  async head(run: string): Promise<ChainHead> {
    const head = await this.#db
      .selectFrom('steps')
      .select(['step', 'digest'])
      .where('run', '=', run)
      .orderBy('step', 'desc')
      .limit(1)
      .executeTakeFirst();
    return head ?? { step: 0, digest: CHAIN_START };
  }

  /** Steps that are there already must be the same; new ones must continue the chain. */
  async append(run: string, steps: readonly NewStep[]): Promise<void> {
    const head = await this.head(run);
    await this.#demandSame(
      run,
      steps.filter(({ step }) => step <= head.step),
    );
    const added = steps.filter(({ step }) => step > head.step);
    added.reduce((previous, step) => {
      if (step.step !== previous.step + 1 || step.previousDigest !== previous.digest)
        throw new SolopoError(
          'conflict',
          `Step ${step.step} of run ${run} does not follow step ${previous.step} (${previous.digest}); resume from the last checkpoint.`,
        );
      return step;
    }, head);
    const rows = added.map(({ step, digest, previousDigest, pairDigests, metrics, engine, phaseSeconds }) => ({
      run,
      step,
      digest,
      previous_digest: previousDigest,
      pair_digests: [...pairDigests],
      metrics: JSON.stringify(metrics),
      engine,
      phase_seconds: phaseSeconds === undefined ? null : JSON.stringify(phaseSeconds),
    }));
    for (const batch of batches(rows)) await this.#db.insertInto('steps').values(batch).execute();
  }

  /** Steps after the given one, in order. */
  async after(run: string, step: number, limit = 10_000): Promise<StepView[]> {
    return this.#db
      .selectFrom('steps')
      .select(['step', 'digest', 'metrics', 'phase_seconds as phaseSeconds'])
      .where('run', '=', run)
      .where('step', '>', step)
      .orderBy('step')
      .limit(limit)
      .execute();
  }

  /** The whole chain, with the pairs in each step. */
  async chain(run: string): Promise<StepRecord[]> {
    const rows = await this.#db
      .selectFrom('steps')
      .select(['step', 'digest', 'previous_digest', 'pair_digests', 'metrics', 'engine'])
      .where('run', '=', run)
      .orderBy('step')
      .execute();
    return rows.map(({ previous_digest, pair_digests, ...row }) => ({
      ...row,
      previousDigest: previous_digest,
      pairDigests: pair_digests,
    }));
  }

  /** Fingerprints of the engines that took the steps up to the given one. */
  async engines(run: string, step: number): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('steps')
      .select('engine')
      .distinct()
      .where('run', '=', run)
      .where('step', '<=', step)
      .where('engine', 'is not', null)
      .orderBy('engine')
      .execute();
    return rows.flatMap(({ engine }) => engine ?? []);
  }

  /** The engines that took gradient steps, of any run, latest first. */
  async enginesInUse(): Promise<EngineUse[]> {
    const rows = await this.#db
      .selectFrom('steps')
      .select((step) => [
        'engine as fingerprint',
        step.fn.countAll<number>().as('steps'),
        step.fn.max('created_at').as('lastUsed'),
      ])
      .where('engine', 'is not', null)
      .groupBy('engine')
      .orderBy('lastUsed', 'desc')
      .execute();
    return rows.map(({ fingerprint, ...row }) => ({ ...row, fingerprint: fingerprint ?? '' }));
  }

  async #demandSame(run: string, steps: readonly NewStep[]): Promise<void> {
    const first = steps[0];
    if (first === undefined) return;
    const kept = await this.after(run, first.step - 1);
    const other = steps.find(({ step, digest }) => kept[step - first.step]?.digest !== digest);
    if (other !== undefined)
      throw new SolopoError(
        'conflict',
        `Step ${other.step} of run ${run} came out differently than before; training must be deterministic: report this as a defect.`,
      );
  }
}
