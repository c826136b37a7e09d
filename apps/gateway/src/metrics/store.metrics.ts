import { Inject, Injectable } from '@nestjs/common';
import { QueueStats } from '@solopo/bus';
import { ERROR_CODES, RUN_STATES } from '@solopo/contracts';
import { QUEUES } from '@solopo/functions';
import { Ledger } from '@solopo/ledger';
import { Metrics } from '@solopo/platform';

/** How the stores stand. The gateway says it for the whole system: workers come and go, and all see the same stores. */
@Injectable()
export class StoreMetrics {
  constructor(
    @Inject(Metrics) private readonly metrics: Metrics,
    @Inject(QueueStats) private readonly stats: QueueStats,
    @Inject(Ledger) private readonly ledger: Ledger,
  ) {
    this.#measureQueues();
    this.#measureStreams();
    this.#measureLedger();
  }

  #measureQueues(): void {
    const messages = this.metrics.gauge({
      name: 'solopo_queue_messages',
      help: 'Jobs on a work queue: waiting, or given to a worker and not acknowledged yet',
      labels: ['app', 'subject', 'state'],
    });
    const age = this.metrics.gauge({
      name: 'solopo_queue_oldest_age_seconds',
      help: 'Age of the oldest job of a work queue, whether it waits or is worked on',
      labels: ['app', 'subject'],
    });
    const acknowledged = this.metrics.gauge({
      name: 'solopo_queue_acknowledged_sequence',
      help: 'Place in the stream up to which every job of a queue is acknowledged',
      labels: ['app', 'subject'],
    });
    this.metrics.source({
      name: 'queues',
      gauges: [messages, age, acknowledged],
      read: async () => {
        for (const { app, subject, ...queue } of await this.stats.queues()) {
          messages.set({ app, subject, state: 'waiting' }, queue.waiting);
          messages.set({ app, subject, state: 'unacknowledged' }, queue.unacknowledged);
          age.set({ app, subject }, queue.oldestSeconds);
          acknowledged.set({ app, subject }, queue.acknowledgedSequence);
        }
      },
    });
  }

  #measureStreams(): void {
    const messages = this.metrics.gauge({
      name: 'solopo_stream_messages',
      help: 'Messages in a JetStream stream',
      labels: ['stream'],
    });
    const bytes = this.metrics.gauge({
      name: 'solopo_stream_bytes',
      help: 'Bytes that a JetStream stream holds',
      labels: ['stream'],
    });
    const maxBytes = this.metrics.gauge({
      name: 'solopo_stream_max_bytes',
      help: 'Bytes that a JetStream stream may hold; a full work queue refuses more',
      labels: ['stream'],
    });
    this.metrics.source({
      name: 'streams',
      gauges: [messages, bytes, maxBytes],
      read: async () => {
        for (const { stream, ...state } of await this.stats.streams()) {
          messages.set({ stream }, state.messages);
          bytes.set({ stream }, state.bytes);
          maxBytes.set({ stream }, state.maxBytes);
        }
      },
    });
  }

  #measureLedger(): void {
    const waiting = this.metrics.gauge({
      name: 'solopo_outbox_messages',
      help: 'Committed messages that are not published yet',
    });
    const lag = this.metrics.gauge({
      name: 'solopo_outbox_oldest_age_seconds',
      help: 'Age of the oldest message that is not published yet',
    });
    const letters = this.metrics.gauge({
      name: 'solopo_dead_letters',
      help: 'Jobs that were ever given up, retried since or not, by the code of their error',
      labels: ['subject', 'code'],
    });
    const runs = this.metrics.gauge({ name: 'solopo_runs', help: 'Runs by state', labels: ['state'] });
    this.metrics.source({
      name: 'ledger',
      gauges: [waiting, lag, letters, runs],
      read: async () => {
        const [backlog, buried, counted] = await Promise.all([
          this.ledger.outbox.backlog(),
          this.ledger.deadLetters.counts(),
          this.ledger.runs.counts(),
        ]);
        waiting.set(backlog.unpublished);
        lag.set(backlog.oldestSeconds);
        for (const { subject } of QUEUES)
          for (const code of Object.keys(ERROR_CODES)) letters.set({ subject, code }, 0);
        for (const { subject, code, letters: count } of buried) letters.set({ subject, code }, count);
        for (const state of RUN_STATES) runs.set({ state }, 0);
        for (const { state, runs: count } of counted) runs.set({ state }, count);
      },
    });
  }
}
