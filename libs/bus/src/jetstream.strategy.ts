import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, type Consumer, type JsMsg } from '@nats-io/jetstream';
import { Logger } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { SolopoError } from '@solopo/contracts';
import type { FunctionSpec } from '@solopo/functions';
import { lastValueFrom } from 'rxjs';
import type { NatsConnection } from './connection.ts';
import { JobRunner, type JobHandler, type JobReport, type JobRunnerOptions } from './job.runner.ts';
import { consumerName, WORK } from './streams.ts';

/** The transport of jobs: `@EventPattern<string>(subjectOf('compose'), JETSTREAM)`. */
export const JETSTREAM = Symbol('solopo.jetstream');

export interface JetStreamStrategyOptions extends JobRunnerOptions {
  /** What this process executes: each needs a handler, and each handler one of these. */
  readonly functions: readonly FunctionSpec[];
  /** How long jobs may go on once the process is to stop. */
  readonly graceMs?: number;
}

const GRACE_MS = 20_000;
const PULL_MS = 1000;
const PAUSE_MS = 500;

/** One durable pull consumer a function, one message for each free slot. */
export class JetStreamStrategy extends Server implements CustomTransportStrategy {
  override readonly transportId = JETSTREAM;
  override readonly propagatesEventHandlerErrors = true;
  protected override readonly logger = new Logger(JetStreamStrategy.name);
  readonly #runner: JobRunner;
  readonly #stopping = new AbortController();
  #slots: readonly Promise<void>[] = [];

  constructor(
    private readonly connection: NatsConnection,
    private readonly options: JetStreamStrategyOptions,
  ) {
    super();
    this.#runner = new JobRunner(connection, { ...options, report: (report) => this.#report(report) });
  }

  listen(callback: (error?: unknown) => void): void {
    this.#start().then(() => callback(), callback);
  }

  /** Takes no further job; those under way go on. */
  pause(): void {
    this.#stopping.abort();
  }

  async close(): Promise<void> {
    this.pause();
    const atRest = Promise.all(this.#slots);
    const grace = new AbortController();
    await Promise.race([
      atRest,
      sleep(this.options.graceMs ?? GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined),
    ]);
    grace.abort();
    this.#runner.abandon();
    await atRest;
    if (!this.connection.isClosed())
      await Promise.race([this.connection.flush(), sleep(PULL_MS, undefined, { ref: false })]);
  }

  on(): never {
    throw new Error('The JetStream transport has no events; read the connection status instead.');
  }

  unwrap<T>(): T {
    return this.connection as T;
  }

  async #start(): Promise<void> {
    this.#demandHandlers();
    const bound = await Promise.all(
      this.options.functions.map(async (spec) => ({ spec, consumer: await this.#consumer(spec) })),
    );
    this.#slots = bound.flatMap(({ spec, consumer }) =>
      Array.from({ length: spec.concurrency }, () => this.#serve(spec, consumer)),
    );
  }

  #demandHandlers(): void {
    const subjects = new Set<string>(this.options.functions.map((spec) => spec.subject));
    const patterns = [...this.messageHandlers.keys()];
    const strange = patterns.filter((pattern) => !subjects.has(pattern));
    const missing = [...subjects].filter((subject) => !patterns.includes(subject));
    const double = patterns.filter((pattern) => this.messageHandlers.get(pattern)?.next !== undefined);
    if (strange.length > 0)
      throw new Error(`No function of this service has the subject ${strange.join(', ')}; declare it in the manifest.`);
    if (missing.length > 0)
      throw new Error(`Nothing handles ${missing.join(', ')}; add a controller for it to this service.`);
    if (double.length > 0) throw new Error(`More than one handler has the subject ${double.join(', ')}; keep one.`);
  }

  async #consumer(spec: FunctionSpec): Promise<Consumer> {
    try {
      return await jetstream(this.connection).consumers.get(WORK, consumerName(spec));
    } catch (error) {
      throw new SolopoError(
        'not-ready',
        `There is no consumer for ${spec.subject}; run the migrator, then start this service again.`,
        { cause: error },
      );
    }
  }

  async #serve(spec: FunctionSpec, consumer: Consumer): Promise<void> {
    const handle = this.#handler(spec);
    while (!this.#stopping.signal.aborted) {
      const message = await this.#next(spec, consumer);
      if (message === null) continue;
      if (this.#stopping.signal.aborted) message.nak();
      else await this.#runner.run(spec, message, handle);
    }
  }

  async #next(spec: FunctionSpec, consumer: Consumer): Promise<JsMsg | null> {
    try {
      return await consumer.next({ expires: PULL_MS });
    } catch (error) {
      if (this.#stopping.signal.aborted) return null;
      this.logger.warn({ subject: spec.subject, error }, 'no work could be asked for; trying again');
      await sleep(PAUSE_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      return null;
    }
  }

  #handler(spec: FunctionSpec): JobHandler {
    const handler = this.messageHandlers.get(spec.subject) as MessageHandler;
    return async (job, context) => {
      await lastValueFrom(this.transformToObservable<unknown>(handler(job, context) as Promise<unknown>), {
        defaultValue: undefined,
      });
    };
  }

  #report(report: JobReport): void {
    const { outcome, error, job, ...fields } = report;
    const entry = { ...fields, ...job, outcome, error };
    if (outcome === 'done') this.logger.log(entry, 'job');
    else if (outcome === 'dead-letter') this.logger.error(entry, 'job');
    else this.logger.warn(entry, 'job');
    this.options.report?.(report);
  }
}
