import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { Logger } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { SolopoError } from '@solopo/contracts';
import { functionSubject, type FunctionSpec } from '@solopo/functions';
import { lastValueFrom } from 'rxjs';
import type { NatsConnection } from './connection.ts';
import { pullNow, type Delivery } from './delivery.ts';
import { JobRunner, type BoundFunction, type JobHandler, type JobReport, type JobRunnerOptions } from './job.runner.ts';
import { News } from './news.ts';
import { consumerName, WORK } from './streams.ts';

/** The transport of jobs: `@EventPattern<string>(subjectOf('compose'), JETSTREAM)`, whichever engine computes them. */
export const JETSTREAM = Symbol('solopo.jetstream');

export interface JetStreamStrategyOptions extends JobRunnerOptions {
  /** What this process executes: each needs a handler, and each handler one of these. */
  readonly functions: readonly FunctionSpec[];
  /** How long jobs may go on once the process is to stop. */
  readonly graceMs?: number;
}

const GRACE_MS = 20_000;
const FLUSH_MS = 1000;
/** Between looks into empty queues: from soon after something was heard of, to the longest that a job given back may wait. */
const PAUSE_MS = { shortest: 10, longest: 1000 } as const;

/**
 * Takes a job when there is somebody free for it: one at a time for the process's numeric engine, and one that does without it. Of
 * what waits the most urgent function comes first. No message is held that nobody works on.
 */
export class JetStreamStrategy extends Server implements CustomTransportStrategy {
  override readonly transportId = JETSTREAM;
  override readonly propagatesEventHandlerErrors = true;
  protected override readonly logger = new Logger(JetStreamStrategy.name);
  readonly #runner: JobRunner;
  readonly #stopping = new AbortController();
  /** Subjects that gave no answer when last asked. */
  readonly #silent = new Set<string>();
  #lanes: readonly Promise<void>[] = [];

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
    const atRest = Promise.all(this.#lanes);
    const grace = new AbortController();
    await Promise.race([
      atRest,
      sleep(this.options.graceMs ?? GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined),
    ]);
    grace.abort();
    this.#runner.abandon();
    await atRest;
    if (!this.connection.isClosed())
      await Promise.race([this.connection.flush(), sleep(FLUSH_MS, undefined, { ref: false })]);
  }

  on(): never {
    throw new Error('The JetStream transport has no events; read the connection status instead.');
  }

  unwrap<T>(): T {
    return this.connection as T;
  }

  async #start(): Promise<void> {
    this.#demandHandlers();
    const bound = await Promise.all(this.options.functions.map((spec) => this.#bind(spec)));
    const byUrgency = bound.sort((a, b) => a.spec.priority - b.spec.priority);
    const lanes = [true, false].map((engine) => byUrgency.filter(({ spec }) => spec.engine === engine));
    this.#lanes = lanes.filter((lane) => lane.length > 0).map((lane) => this.#serve(lane));
  }

  #demandHandlers(): void {
    const subjects = new Set(this.options.functions.map((spec) => functionSubject(spec.subject)));
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

  async #bind(spec: FunctionSpec): Promise<BoundFunction> {
    try {
      const consumer = await jetstream(this.connection).consumers.get(WORK, consumerName(spec));
      const { config } = await consumer.info(true);
      return { spec, ackWaitMs: (config.ack_wait ?? 0) / 1_000_000 };
    } catch (error) {
      throw new SolopoError(
        'not-ready',
        `There is no consumer for ${spec.subject}; run the migrator, then start this service again.`,
        { cause: error },
      );
    }
  }

  async #serve(lane: readonly BoundFunction[]): Promise<void> {
    const { signal } = this.#stopping;
    const news = new News(
      this.connection,
      lane.map(({ spec }) => spec.subject),
    );
    for (let pauseMs: number = PAUSE_MS.shortest; !signal.aborted;) {
      const next = await this.#mostUrgent(lane);
      if (next === null) {
        const heard = await news.heardWithin(pauseMs, signal);
        pauseMs = heard ? PAUSE_MS.shortest : Math.min(4 * pauseMs, PAUSE_MS.longest);
        continue;
      }
      pauseMs = PAUSE_MS.shortest;
      if (signal.aborted) next.delivery.giveBack();
      else await this.#runner.run(next.bound, next.delivery, this.#handler(next.bound.spec));
    }
    news.end();
  }

  async #mostUrgent(
    lane: readonly BoundFunction[],
  ): Promise<{ readonly bound: BoundFunction; readonly delivery: Delivery } | null> {
    for (const bound of lane) {
      const delivery = await this.#pull(bound.spec);
      if (delivery !== null) return { bound, delivery };
    }
    return null;
  }

  async #pull(spec: FunctionSpec): Promise<Delivery | null> {
    if (this.#stopping.signal.aborted) return null;
    const { subject } = spec;
    try {
      const delivery = await pullNow(this.connection, consumerName(spec));
      if (this.#silent.delete(subject)) this.logger.log({ subject }, 'work can be asked for again');
      return delivery;
    } catch (error) {
      if (!this.#stopping.signal.aborted && !this.#silent.has(subject))
        this.logger.warn({ subject, error }, 'no work could be asked for; trying again');
      this.#silent.add(subject);
      return null;
    }
  }

  #handler(spec: FunctionSpec): JobHandler {
    const handler = this.messageHandlers.get(functionSubject(spec.subject)) as MessageHandler;
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
