import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { JobHeld, OutboxRelay, type JobContext } from '@solopo/bus';
import { SolopoError, type Job, type StageKind, type StageSpecOf } from '@solopo/contracts';
import { INTERRUPTED, Ledger, type Attempt } from '@solopo/ledger';
import { isOutage } from '@solopo/platform';
import { beginChunk, completeChunk, type BegunChunk } from '@solopo/workflow';
import type { JobFunction } from './job.function.ts';

/** This process, as attempts and leases name it. */
export const WORKER_ID = `${hostname()}:${process.pid}`;

/** Of the product that this process runs. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }
).version;

type ReadyChunk = Extract<BegunChunk, { readonly status: 'ready' }>;

interface FinishedAttempt {
  readonly attempt: Attempt;
  readonly outcome: string;
  readonly error: string;
}

/** Begin, compute, commit. Whatever fails before the commit leaves no evidence behind and is done again. */
@Injectable()
export class JobExecutor {
  /** What became of attempts while the ledger was away, by job. */
  readonly #unrecorded = new Map<string, FinishedAttempt>();

  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(OutboxRelay) private readonly relay: OutboxRelay,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
  ) {}

  /** @throws JobHeld where another execution of the job goes on */
  async execute<K extends StageKind>(job: Job, context: JobContext, work: JobFunction<K>): Promise<void> {
    if (work.storesArtifacts === true) await this.artifacts.demandRoom();
    const begun = await this.#begin(job, context);
    if (begun.status === 'held') throw new JobHeld(begun.forMs);
    if (begun.status !== 'ready') return;
    const { attempt, lease } = begun.execution;
    context.holds({
      renew: (progress) => this.ledger.leases.renew(lease, context.leaseMs, progress),
      release: () => this.ledger.leases.release(lease),
    });
    try {
      await this.#compute(job, context, work, begun);
    } catch (error) {
      const cause: unknown = context.signal.aborted ? context.signal.reason : error;
      const { code, message } = SolopoError.from(cause);
      await this.#finish({ attempt, outcome: isOutage(cause) ? INTERRUPTED : code, error: message });
      throw error;
    }
    // Before this job is acknowledged, so that the scaler sees the next one when this one is gone.
    await this.relay.flush();
  }

  async #begin(job: Job, context: JobContext): Promise<BegunChunk> {
    const executor = {
      worker: WORKER_ID,
      version: VERSION,
      leaseMs: context.leaseMs,
      admit: (attempt: number) => context.begins(attempt),
    };
    await this.#recordFinished(job);
    try {
      return await this.ledger.transaction((tx) => beginChunk(tx, job, executor));
    } catch (error) {
      if (!context.isExhausted && !isOutage(error)) await this.#recordFailedBegin(job, context, error);
      throw error;
    }
  }

  async #compute<K extends StageKind>(
    job: Job,
    context: JobContext,
    work: JobFunction<K>,
    { execution, spec, range, start, items }: ReadyChunk,
  ): Promise<void> {
    const started = performance.now();
    const input = { stage: job.stage, spec: spec as StageSpecOf<K>, range, start, items };
    const effects = await this.artifacts.during(() => work.execute(input, context));
    context.signal.throwIfAborted();
    const seconds = (performance.now() - started) / 1000;
    context.commits();
    await this.ledger.transaction((tx) =>
      completeChunk(tx, job, execution, {
        seconds,
        range: { from: range.from, to: effects.itemsDone === undefined ? range.to : range.from + effects.itemsDone },
        result: effects.result,
        write: (transaction) => effects.write(transaction),
      }),
    );
  }

  /** The attempt's error is a record for people; the job's own error decides what happens. */
  async #finish(finished: FinishedAttempt): Promise<void> {
    const { attempt, outcome, error } = finished;
    await this.ledger.attempts.finish(attempt, outcome, error).catch(() => this.#unrecorded.set(attempt.job, finished));
  }

  async #recordFinished({ id }: Job): Promise<void> {
    const finished = this.#unrecorded.get(id);
    if (finished === undefined) return;
    const { attempt, outcome, error } = finished;
    await this.ledger.attempts.finish(attempt, outcome, error);
    this.#unrecorded.delete(id);
  }

  /** So that a job that cannot even begin is a dead letter one day. */
  async #recordFailedBegin({ id: job, stage, chunk }: Job, context: JobContext, error: unknown): Promise<void> {
    const { code, message } = SolopoError.from(error);
    const begun = await this.ledger
      .transaction(async (tx) => {
        const { attempt, blamed } = await tx.attempts.begin({ job, stage, chunk, worker: WORKER_ID, version: VERSION });
        await tx.attempts.finish({ job, attempt }, code, message);
        return blamed;
      })
      .catch(() => undefined);
    if (begun !== undefined) context.begins(begun);
  }
}
