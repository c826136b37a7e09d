import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { jobSchema, SolopoError, type Job } from '@solopo/contracts';
import { leaseMsOf, type FunctionSpec } from '@solopo/functions';
import { isOutage } from '@solopo/platform';
import { SpanKind, withSpan, type Span } from '@solopo/tracing';
import type { NatsConnection } from './connection.ts';
import type { Delivery } from './delivery.ts';
import { JobContext, JobHeld } from './job.context.ts';
import { beatMsOf, retryDelayMs } from './retry.policy.ts';
import { deadLetterSubject } from './streams.ts';

/** A job that will not be tried again. */
export interface DeadLetter {
  readonly subject: string;
  /** `null` when the message is not a job at all. */
  readonly job: Job | null;
  /** The message as it came. */
  readonly payload: string;
  readonly error: SolopoError;
  readonly attempts: number;
}

/**
 * `held`: another execution of the job goes on. `lost`: another process took the job over. `abandoned`: given back, because this process
 * is to stop.
 */
export const JOB_OUTCOMES = ['done', 'retry', 'dead-letter', 'held', 'lost', 'abandoned', 'unacknowledged'] as const;
export type JobOutcome = (typeof JOB_OUTCOMES)[number];

export interface JobReport {
  readonly subject: string;
  readonly job: Job | null;
  readonly outcome: JobOutcome;
  /** Executions that the job is to blame for, with this one; 0: none began. */
  readonly attempt: number;
  /** Of the message, from 1. */
  readonly delivery: number;
  readonly seconds: number;
  readonly error?: unknown;
}

export interface JobRunnerOptions {
  /** Records the letter and fails what depends on the job, in one transaction; the message is ended only afterwards. */
  readonly onDeadLetter: (letter: DeadLetter) => Promise<void>;
  readonly report?: (report: JobReport) => void;
}

export type JobHandler = (job: Job, context: JobContext) => Promise<void>;

/** What the queue of a function gives, and for how long. */
export interface BoundFunction {
  readonly spec: FunctionSpec;
  /** As the consumer on the server has it, which another release may have made. */
  readonly ackWaitMs: number;
}

const SETTLE_MS = 2000;
const LONGEST_WAIT_MS = 10_000;
/** Clocks and timers are not exact: a little later the lease has run out for sure. */
const HELD_MARGIN_MS = 50;

type Settled = Pick<JobReport, 'outcome' | 'error'>;
type SettledAttempt = Settled & Pick<JobReport, 'attempt'>;
/** An execution that came to its end, by an error or without. */
type Executed = { readonly context: JobContext; readonly error?: unknown };

/** Takes one delivery to its end: acknowledged, to be tried again, a dead letter, or given back. Never throws. */
export class JobRunner {
  readonly #jetstream: JetStreamClient;
  readonly #abandon = new AbortController();

  constructor(
    connection: NatsConnection,
    private readonly options: JobRunnerOptions,
  ) {
    this.#jetstream = jetstream(connection);
  }

  /** What runs now is aborted and given back, so that another process takes it at once. */
  abandon(): void {
    this.#abandon.abort(new SolopoError('not-ready', 'The process is shutting down; another one takes the job.'));
  }

  /** A span of the trace that the message came with. */
  async run(bound: BoundFunction, delivery: Delivery, handle: JobHandler): Promise<void> {
    const options = {
      kind: SpanKind.CONSUMER,
      attributes: { 'messaging.system': 'nats', 'messaging.destination.name': delivery.subject },
      parent: delivery.headers?.get('traceparent'),
    };
    await withSpan(`process ${delivery.subject}`, options, (span) => this.#run(bound, delivery, handle, span));
  }

  async #run(bound: BoundFunction, delivery: Delivery, handle: JobHandler, span: Span): Promise<void> {
    const started = performance.now();
    const job = parseJob(delivery);
    const settled = await this.#settle(bound, delivery, job, handle);
    span.setAttributes({ 'solopo.job.outcome': settled.outcome, 'solopo.job.attempt': settled.attempt });
    if (!(job instanceof SolopoError)) span.setAttributes({ 'solopo.job.id': job.id, 'solopo.job.chunk': job.chunk });
    this.options.report?.({
      subject: delivery.subject,
      job: job instanceof SolopoError ? null : job,
      delivery: delivery.count,
      seconds: (performance.now() - started) / 1000,
      ...settled,
    });
  }

  async #settle(
    bound: BoundFunction,
    delivery: Delivery,
    job: Job | SolopoError,
    handle: JobHandler,
  ): Promise<SettledAttempt> {
    let attempt = 0;
    const settle = async (): Promise<Settled> => {
      if (job instanceof SolopoError) return this.#bury(bound, delivery, { job: null, error: job, attempts: 1 });
      for (let wait = 1; ; wait++) {
        const { context, error } = await this.#execute(bound, delivery, job, handle);
        ({ attempt } = context);
        if (error === undefined) return acknowledge(delivery);
        if (error instanceof JobHeld) return hold(delivery, error);
        // The message is with the process that took the job.
        if (isLost(error)) return { outcome: 'lost', error };
        if (this.#abandon.signal.aborted) return giveBack(delivery, error);
        if (!isOutage(error)) return this.#fail(bound, delivery, { job, attempt, error: SolopoError.from(error) });
        if (!(await this.#waitOut(bound, delivery, wait))) return giveBack(delivery, error);
      }
    };
    const settled = await settle().catch((error: unknown): Settled => ({ outcome: 'unacknowledged', error }));
    return { ...settled, attempt };
  }

  /** The job is this process's as long as the process lives; that it gets no further has a limit of its own. */
  async #execute(
    { spec, ackWaitMs }: BoundFunction,
    delivery: Delivery,
    job: Job,
    handle: JobHandler,
  ): Promise<Executed> {
    const limit = new AbortController();
    const tooLong = new SolopoError(
      'timeout',
      `The job got no further for ${spec.timeLimitMs / 1000} s; give it smaller batches or a longer limit.`,
    );
    const timer = setTimeout(() => limit.abort(tooLong), spec.timeLimitMs);
    const advance = (): void => void timer.refresh();
    const signal = AbortSignal.any([this.#abandon.signal, limit.signal]);
    const context = new JobContext(delivery, signal, leaseMsOf(ackWaitMs), spec.maxAttempts, advance);
    const beat = setInterval(() => {
      delivery.working();
      // What cannot be renewed now is renewed with the next beat; a lease that is lost is another's.
      context.renew().catch((error: unknown) => {
        if (isLost(error)) limit.abort(error);
      });
    }, beatMsOf(ackWaitMs));
    const finished = new AbortController();
    const overdue = async (): Promise<never> => {
      await new Promise((resolve) =>
        signal.addEventListener('abort', resolve, { once: true, signal: finished.signal }),
      );
      await sleep(SETTLE_MS, undefined, { signal: finished.signal });
      throw signal.reason;
    };
    try {
      await Promise.race([handle(job, context), overdue()]);
      return { context };
    } catch (error) {
      // What another process took over meanwhile is not this one's to judge.
      const lost: unknown = await context.renew().then(
        () => undefined,
        (cause: unknown) => (isLost(cause) ? cause : undefined),
      );
      const none = new SolopoError('internal', 'The handler threw nothing; throw an error that says what to do next.');
      return { context, error: lost ?? (signal.aborted ? signal.reason : error) ?? none };
    } finally {
      clearTimeout(timer);
      finished.abort();
      clearInterval(beat);
      await context.release();
    }
  }

  async #fail(
    bound: BoundFunction,
    delivery: Delivery,
    { job, attempt, error }: { readonly job: Job; readonly attempt: number; readonly error: SolopoError },
  ): Promise<Settled> {
    if (!error.retryable || attempt >= bound.spec.maxAttempts)
      return this.#bury(bound, delivery, { job, error, attempts: Math.max(1, attempt) });
    // Where not even an attempt could be recorded, no dead letter could be either.
    delivery.giveBack(retryDelayMs(bound.spec.retryDelayMs, attempt || delivery.count));
    return { outcome: 'retry', error };
  }

  /** Copy, record, and only then end the message: a crash in between repeats the burial, and loses nothing. */
  async #bury(
    bound: BoundFunction,
    delivery: Delivery,
    given: Pick<DeadLetter, 'job' | 'error' | 'attempts'>,
  ): Promise<Settled> {
    const letter = { subject: delivery.subject, payload: delivery.text(), ...given };
    for (let wait = 1; ; wait++) {
      try {
        await this.#copy(delivery, letter);
        await this.options.onDeadLetter(letter);
        delivery.end();
        return { outcome: 'dead-letter', error: letter.error };
      } catch (cause) {
        if (!isOutage(cause)) {
          delivery.giveBack(retryDelayMs(bound.spec.retryDelayMs, letter.attempts));
          return { outcome: 'retry', error: cause };
        }
        if (!(await this.#waitOut(bound, delivery, wait))) return giveBack(delivery, cause);
      }
    }
  }

  async #copy(delivery: Delivery, letter: DeadLetter): Promise<void> {
    const about = headers();
    about.set('Solopo-Code', letter.error.code);
    about.set('Solopo-Reason', letter.error.message.replace(/\s+/g, ' ').slice(0, 1000));
    about.set('Solopo-Attempts', String(letter.attempts));
    const msgID = `${letter.subject}:${delivery.sequence}`;
    await this.#jetstream.publish(deadLetterSubject(letter.subject), delivery.data, { msgID, headers: about });
  }

  /** Keeps the message while what it needs is away; false when the process is to stop. */
  async #waitOut({ spec, ackWaitMs }: BoundFunction, delivery: Delivery, wait: number): Promise<boolean> {
    const beatMs = beatMsOf(ackWaitMs);
    let leftMs = Math.min(retryDelayMs(spec.retryDelayMs, wait), LONGEST_WAIT_MS);
    while (leftMs > 0 && !this.#abandon.signal.aborted) {
      delivery.working();
      await sleep(Math.min(leftMs, beatMs), undefined, { signal: this.#abandon.signal }).catch(() => undefined);
      leftMs -= beatMs;
    }
    delivery.working();
    return !this.#abandon.signal.aborted;
  }
}

async function acknowledge(delivery: Delivery): Promise<Settled> {
  await delivery.acknowledge();
  return { outcome: 'done' };
}

function hold(delivery: Delivery, held: JobHeld): Settled {
  delivery.giveBack(held.forMs + HELD_MARGIN_MS);
  return { outcome: 'held', error: held };
}

function giveBack(delivery: Delivery, error: unknown): Settled {
  delivery.giveBack();
  return { outcome: 'abandoned', error };
}

function isLost(error: unknown): boolean {
  return error instanceof SolopoError && error.code === 'lease-lost';
}

function parseJob(delivery: Delivery): Job | SolopoError {
  try {
    return jobSchema.parse(JSON.parse(delivery.text()));
  } catch (cause) {
    return new SolopoError('input-invalid', 'The message is not a job; find out who published it.', { cause });
  }
}
