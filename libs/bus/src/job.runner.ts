import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { jobSchema, SolopoError, type Job } from '@solopo/contracts';
import type { FunctionSpec } from '@solopo/functions';
import { isOutage } from '@solopo/platform';
import { SpanKind, withSpan, type Span } from '@solopo/tracing';
import type { NatsConnection } from './connection.ts';
import { JobContext } from './job.context.ts';
import { retryDelayMs } from './retry.policy.ts';
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

export const JOB_OUTCOMES = ['done', 'retry', 'dead-letter', 'abandoned', 'unacknowledged'] as const;
export type JobOutcome = (typeof JOB_OUTCOMES)[number];

export interface JobReport {
  readonly subject: string;
  readonly job: Job | null;
  readonly outcome: JobOutcome;
  readonly attempt: number;
  readonly seconds: number;
  readonly error?: unknown;
}

export interface JobRunnerOptions {
  /** Records the letter and fails what depends on the job, in one transaction; the message is ended only afterwards. */
  readonly onDeadLetter: (letter: DeadLetter) => Promise<void>;
  readonly report?: (report: JobReport) => void;
}

export type JobHandler = (job: Job, context: JobContext) => Promise<void>;

/** Deliveries beyond the attempts that a job may cost by ending its processes, before it is given up unexecuted. */
const CRASHES_FORGIVEN = 2;
const SETTLE_MS = 2000;
const LONGEST_WAIT_MS = 10_000;

type Settled = Pick<JobReport, 'outcome' | 'error'>;

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
  async run(spec: FunctionSpec, message: JsMsg, handle: JobHandler): Promise<void> {
    const options = {
      kind: SpanKind.CONSUMER,
      attributes: { 'messaging.system': 'nats', 'messaging.destination.name': message.subject },
      parent: message.headers?.get('traceparent'),
    };
    await withSpan(`process ${message.subject}`, options, (span) => this.#run(spec, message, handle, span));
  }

  async #run(spec: FunctionSpec, message: JsMsg, handle: JobHandler, span: Span): Promise<void> {
    const started = performance.now();
    const job = parseJob(message);
    const settled = await this.#settle(spec, message, job, handle).catch((error: unknown): Settled => ({
      outcome: 'unacknowledged',
      error,
    }));
    span.setAttributes({ 'solopo.job.outcome': settled.outcome, 'solopo.job.attempt': message.info.deliveryCount });
    if (!(job instanceof SolopoError)) span.setAttributes({ 'solopo.job.id': job.id, 'solopo.job.chunk': job.chunk });
    this.options.report?.({
      subject: message.subject,
      job: job instanceof SolopoError ? null : job,
      attempt: message.info.deliveryCount,
      seconds: (performance.now() - started) / 1000,
      ...settled,
    });
  }

  async #settle(spec: FunctionSpec, message: JsMsg, job: Job | SolopoError, handle: JobHandler): Promise<Settled> {
    const attempt = message.info.deliveryCount;
    if (job instanceof SolopoError) return this.#bury(spec, message, null, job);
    if (attempt > spec.maxAttempts + CRASHES_FORGIVEN) {
      const reason = `The job was given to ${attempt - 1} processes and none finished it; find what ended them, then retry it.`;
      return this.#bury(spec, message, job, new SolopoError('engine-failed', reason));
    }
    for (let wait = 1; ; wait++) {
      const error = await this.#execute(spec, message, job, handle);
      if (error === undefined) return (await message.ackAck()) ? { outcome: 'done' } : { outcome: 'unacknowledged' };
      if (this.#abandon.signal.aborted) return giveBack(message, error);
      if (!isOutage(error)) return this.#fail(spec, message, job, SolopoError.from(error));
      if (!(await this.#waitOut(spec, message, wait))) return giveBack(message, error);
    }
  }

  async #execute(spec: FunctionSpec, message: JsMsg, job: Job, handle: JobHandler): Promise<unknown> {
    const limit = new AbortController();
    const tooLong = new SolopoError(
      'timeout',
      `The job got no further for ${spec.timeLimitMs / 1000} s; give it smaller batches or a longer limit.`,
    );
    const timer = setTimeout(() => limit.abort(tooLong), spec.timeLimitMs);
    const advance = (): void => void timer.refresh();
    const signal = AbortSignal.any([this.#abandon.signal, limit.signal]);
    const finished = new AbortController();
    const overdue = async (): Promise<never> => {
      await new Promise((resolve) =>
        signal.addEventListener('abort', resolve, { once: true, signal: finished.signal }),
      );
      await sleep(SETTLE_MS, undefined, { signal: finished.signal });
      throw signal.reason;
    };
    try {
      await Promise.race([handle(job, new JobContext(message, signal, spec.ackWaitMs / 4, advance)), overdue()]);
      return undefined;
    } catch (error) {
      return (
        error ?? new SolopoError('internal', 'The handler threw nothing; throw an error that says what to do next.')
      );
    } finally {
      clearTimeout(timer);
      finished.abort();
    }
  }

  async #fail(spec: FunctionSpec, message: JsMsg, job: Job, error: SolopoError): Promise<Settled> {
    const attempt = message.info.deliveryCount;
    if (!error.retryable || attempt >= spec.maxAttempts) return this.#bury(spec, message, job, error);
    message.nak(retryDelayMs(spec.retryDelayMs, attempt));
    return { outcome: 'retry', error };
  }

  /** Copy, record, and only then end the message: a crash in between repeats the burial, and loses nothing. */
  async #bury(spec: FunctionSpec, message: JsMsg, job: Job | null, error: SolopoError): Promise<Settled> {
    const letter = {
      subject: message.subject,
      job,
      payload: message.string(),
      error,
      attempts: message.info.deliveryCount,
    };
    for (let wait = 1; ; wait++) {
      try {
        await this.#copy(message, letter);
        await this.options.onDeadLetter(letter);
        message.term();
        return { outcome: 'dead-letter', error };
      } catch (cause) {
        if (!isOutage(cause)) {
          message.nak(retryDelayMs(spec.retryDelayMs, letter.attempts));
          return { outcome: 'retry', error: cause };
        }
        if (!(await this.#waitOut(spec, message, wait))) return giveBack(message, cause);
      }
    }
  }

  async #copy(message: JsMsg, letter: DeadLetter): Promise<void> {
    const about = headers();
    about.set('Solopo-Code', letter.error.code);
    about.set('Solopo-Reason', letter.error.message.replace(/\s+/g, ' ').slice(0, 1000));
    about.set('Solopo-Attempts', String(letter.attempts));
    const msgID = `${letter.subject}:${message.seq}`;
    await this.#jetstream.publish(deadLetterSubject(letter.subject), message.data, { msgID, headers: about });
  }

  /** Keeps the message while what it needs is away; false when the process is to stop. */
  async #waitOut(spec: FunctionSpec, message: JsMsg, wait: number): Promise<boolean> {
    const beatMs = spec.ackWaitMs / 4;
    let leftMs = Math.min(retryDelayMs(spec.retryDelayMs, wait), LONGEST_WAIT_MS);
    while (leftMs > 0 && !this.#abandon.signal.aborted) {
      message.working();
      await sleep(Math.min(leftMs, beatMs), undefined, { signal: this.#abandon.signal }).catch(() => undefined);
      leftMs -= beatMs;
    }
    message.working();
    return !this.#abandon.signal.aborted;
  }
}

function giveBack(message: JsMsg, error: unknown): Settled {
  message.nak();
  return { outcome: 'abandoned', error };
}

function parseJob(message: JsMsg): Job | SolopoError {
  try {
    return jobSchema.parse(message.json());
  } catch (cause) {
    return new SolopoError('input-invalid', 'The message is not a job; find out who published it.', { cause });
  }
}
