import type { INestApplication } from '@nestjs/common';
import { Health, Metrics } from '@solopo/platform';
import { NATS_CONNECTION } from './bus.module.ts';
import type { NatsConnection } from './connection.ts';
import { JetStreamStrategy, type JetStreamStrategyOptions } from './jetstream.strategy.ts';
import { jobMetrics } from './job.metrics.ts';
import { connectTransport } from './microservice.ts';
import { RethrowFilter } from './rethrow.filter.ts';

/** Lets the app's `@EventPattern(subject, JETSTREAM)` handlers execute jobs, measured, and stopped first when the process is to end. */
export function connectJobs(app: INestApplication, options: JetStreamStrategyOptions): JetStreamStrategy {
  const measure = jobMetrics(app.get(Metrics), options.functions);
  const strategy = new JetStreamStrategy(app.get<NatsConnection>(NATS_CONNECTION), {
    ...options,
    report: (report) => {
      measure(report);
      options.report?.(report);
    },
  });
  connectTransport(app, { strategy }, new RethrowFilter());
  app.get(Health).onStop(() => strategy.pause());
  return strategy;
}
