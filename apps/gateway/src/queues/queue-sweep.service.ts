import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HeldJobs, NATS_CONNECTION, provisionStreams, renewConsumer, type NatsConnection } from '@solopo/bus';
import { QUEUES } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import { CONFIG, Health, LOGGER, Metrics, Resources, type Logger } from '@solopo/platform';
import { republishLost } from '@solopo/workflow';
import type { GatewayConfig } from '../gateway.config.ts';

/** Keeps the queues what the ledger says: makes streams and consumers that are gone, and publishes jobs that are lost. */
@Injectable()
export class QueueSweep implements OnApplicationBootstrap {
  readonly #stopping = new AbortController();
  readonly #republished;
  #sweeping = Promise.resolve();
  #isFailing = false;
  /** Queues whose consumer seemed to pass over jobs when last looked at. */
  #unseen: ReadonlySet<string> = new Set();

  constructor(
    @Inject(CONFIG) private readonly config: GatewayConfig,
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(NATS_CONNECTION) private readonly connection: NatsConnection,
    @Inject(HeldJobs) private readonly held: HeldJobs,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
    @Inject(Health) health: Health,
    @Inject(Resources) resources: Resources,
  ) {
    this.#republished = metrics.counter({
      name: 'solopo_republished_jobs_total',
      help: 'Jobs that a queue had lost, and that were published again',
      labels: ['subject'],
    });
    for (const { subject } of QUEUES) this.#republished.inc({ subject }, 0);
    health.onStop(() => this.#stopping.abort());
    resources.defer('queue sweep', async () => {
      this.#stopping.abort();
      await this.#sweeping;
    });
  }

  onApplicationBootstrap(): void {
    this.#sweeping = this.#sweepUntilStopped();
  }

  async #sweepUntilStopped(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#sweep().then(
        () => (this.#isFailing = false),
        (error: unknown) => {
          if (!this.#isFailing && !signal.aborted)
            this.logger.warn({ error }, 'the queues cannot be compared with the ledger; trying again');
          this.#isFailing = true;
        },
      );
      await sleep(this.config.sweepMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #sweep(): Promise<void> {
    const stream = { num_replicas: this.config.streamReplicas };
    const changes = await provisionStreams(this.connection, { stream, missingOnly: true });
    for (const { target } of changes.filter(({ change }) => change === 'created'))
      this.logger.warn({ target }, `the ${target} was gone, and is made again`);
    await this.#renewBlindConsumers();
    const republished = await this.ledger.transaction((tx) => republishLost(tx, this.held));
    for (const [subject, jobs] of republished) {
      this.#republished.inc({ subject }, jobs);
      this.logger.warn({ subject, jobs }, 'the queue had lost jobs; they are published again');
    }
  }

  async #renewBlindConsumers(): Promise<void> {
    const unseen = await this.held.unseen();
    for (const spec of unseen.filter(({ subject }) => this.#unseen.has(subject))) {
      await renewConsumer(this.connection, spec);
      this.logger.warn(
        { subject: spec.subject },
        'the consumer passed over jobs that its stream holds; it is made anew',
      );
    }
    this.#unseen = new Set(unseen.map(({ subject }) => subject));
  }
}
