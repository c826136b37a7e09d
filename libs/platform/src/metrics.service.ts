import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

interface Definition<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

/** What is not counted as it happens but looked up when it is asked for. */
export interface MetricSource {
  /** As `solopo_metrics_source_up` calls it. */
  readonly name: string;
  /** Filled by `read` alone; empty while it fails, so that nobody takes old figures for new ones. */
  readonly gauges: readonly Gauge[];
  readonly read: () => Promise<void> | void;
}

const SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 900];
const SOURCE_LIMIT_MS = 2000;

/** The one registry of a process. Labels are few and bounded: never a run id, a user or a raw URL. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly #sources: MetricSource[] = [];

  readonly httpSeconds = this.histogram({
    name: 'solopo_http_request_seconds',
    help: 'HTTP requests by route',
    labels: ['method', 'route', 'status'],
  });
  readonly #sourceUp = this.gauge({
    name: 'solopo_metrics_source_up',
    help: 'Whether the figures that are looked up could be read: 1, or 0 and they are missing',
    labels: ['source'],
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

  source(source: MetricSource): void {
    this.#sources.push(source);
  }

  /** Everything, as Prometheus reads it. */
  async text(): Promise<string> {
    await Promise.all(this.#sources.map((source) => this.#read(source)));
    return this.registry.metrics();
  }

  async #read({ name, gauges, read }: MetricSource): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${name} gave no answer`)), SOURCE_LIMIT_MS);
    });
    try {
      await Promise.race([Promise.resolve(read()), limit]);
      this.#sourceUp.set({ source: name }, 1);
    } catch {
      for (const gauge of gauges) clear(gauge);
      this.#sourceUp.set({ source: name }, 0);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Without labels, a reset gauge would say 0. */
function clear(gauge: Gauge): void {
  gauge.reset();
  gauge.remove({});
}
