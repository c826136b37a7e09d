import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

interface Definition<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

const SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 900];

/** The one registry of a process. Labels are few and bounded: never a run id, a user or a raw URL. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly httpSeconds = this.histogram({
    name: 'solopo_http_request_seconds',
    help: 'HTTP requests by route',
    labels: ['method', 'route', 'status'],
  });
  readonly jobSeconds = this.histogram({
    name: 'solopo_job_seconds',
    help: 'Jobs by subject and outcome',
    labels: ['subject', 'outcome'],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  counter<L extends string = never>({ name, help, labels }: Definition<L>): Counter<L> {
    return new Counter({ name, help, labelNames: labels ?? [], registers: [this.registry] });
  }

  gauge<L extends string = never>({ name, help, labels }: Definition<L>): Gauge<L> {
    return new Gauge({ name, help, labelNames: labels ?? [], registers: [this.registry] });
  }

  histogram<L extends string = never>({
    name,
    help,
    labels,
    buckets,
  }: Definition<L> & { readonly buckets?: number[] }): Histogram<L> {
    return new Histogram({
      name,
      help,
      labelNames: labels ?? [],
      buckets: buckets ?? SECONDS,
      registers: [this.registry],
    });
  }
}
