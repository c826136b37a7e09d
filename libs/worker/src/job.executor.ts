import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import { OutboxRelay, type JobContext } from '@solopo/bus';
import { SolopoError, type Job, type StageKind, type StageSpecOf } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { beginChunk, completeChunk } from '@solopo/workflow';
import type { JobFunction } from './job.function.ts';

/** This process, as attempts and leases name it. */
export const WORKER_ID = `${hostname()}:${process.pid}`;

/** Begin, compute, commit. Whatever fails before the commit leaves no evidence behind and is done again. */
@Injectable()
export class JobExecutor {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(OutboxRelay) private readonly relay: OutboxRelay,
  ) {}

  async execute<K extends StageKind>(job: Job, context: JobContext, work: JobFunction<K>): Promise<void> {
    const { attempt } = context;
    const begun = await this.ledger.transaction(async (tx) => {
      await tx.attempts.start({ job: job.id, attempt, worker: WORKER_ID });
      return beginChunk(tx, job);
    });
    try {
      const outcome = begun.status === 'ready' ? await this.#compute(job, context, work, begun) : begun.status;
      await this.ledger.attempts.finish(job.id, attempt, outcome);
    } catch (error) {
      const { code, message } = SolopoError.from(error);
      // The attempt's error is a record for people; the job's own error decides what happens.
      await this.ledger.attempts.finish(job.id, attempt, code, message).catch(() => undefined);
      throw error;
    }
  }

  async #compute<K extends StageKind>(
    job: Job,
    context: JobContext,
    work: JobFunction<K>,
    { spec, range, start, items }: Extract<Awaited<ReturnType<typeof beginChunk>>, { status: 'ready' }>,
  ): Promise<string> {
    const started = performance.now();
    const effects = await work.execute(
      { stage: job.stage, spec: spec as StageSpecOf<K>, range, start, items },
      context,
    );
    context.signal.throwIfAborted();
    const seconds = (performance.now() - started) / 1000;
    const outcome = await this.ledger.transaction((tx) =>
      completeChunk(tx, job, {
        seconds,
        range: { from: range.from, to: effects.itemsDone === undefined ? range.to : range.from + effects.itemsDone },
        result: effects.result,
        write: (transaction) => effects.write(transaction),
      }),
    );
    // Before this job is acknowledged, so that the scaler sees the next one when this one is gone.
    await this.relay.flush();
    return outcome;
  }
}
