import { Inject, Injectable } from '@nestjs/common';
import { Metrics } from '@solopo/platform';
import { GradientWatch } from './gradient-watch.ts';

interface TakenStep {
  readonly metrics: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** The last gradient step of this process, and how many there were. */
@Injectable()
export class TrainingMetrics {
  readonly #watch = new GradientWatch();
  readonly #values;
  readonly #seconds;
  readonly #spikes;

  constructor(@Inject(Metrics) metrics: Metrics) {
    this.#values = metrics.gauge({
      name: 'solopo_training_metric',
      help: 'Metrics of the last gradient step, by name',
      labels: ['name'],
    });
    this.#seconds = metrics.histogram({ name: 'solopo_training_step_seconds', help: 'Gradient steps' });
    this.#spikes = metrics.counter({
      name: 'solopo_training_gradient_spikes_total',
      help: 'Steps whose gradient norm was more than ten times the median of the fifty before',
    });
  }

  observe(run: string, { metrics, seconds }: TakenStep): void {
    for (const [name, value] of Object.entries(metrics)) this.#values.set({ name }, value);
    this.#seconds.observe(seconds);
    const norm = metrics['grad_norm'];
    if (norm !== undefined && this.#watch.isSpike(run, norm)) this.#spikes.inc();
  }
}
