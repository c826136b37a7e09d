import { Inject, Injectable } from '@nestjs/common';
import { STEP_PHASES } from '@solopo/contracts';
import type { PhaseSeconds } from '@solopo/engine';
import { Metrics } from '@solopo/platform';
import { GradientWatch } from './gradient-watch.ts';

interface ObservedStep {
  readonly metrics: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly phaseSeconds: PhaseSeconds;
}

/** The last gradient step of this process, and how many there were. */
@Injectable()
export class TrainingMetrics {
  readonly #watch = new GradientWatch();
  readonly #values;
  readonly #seconds;
  readonly #phaseSeconds;
  readonly #spikes;

  constructor(@Inject(Metrics) metrics: Metrics) {
    this.#values = metrics.gauge({
      name: 'solopo_training_metric',
      help: 'Metrics of the last gradient step, by name',
      labels: ['name'],
    });
    this.#seconds = metrics.histogram({ name: 'solopo_training_step_seconds', help: 'Gradient steps' });
    this.#phaseSeconds = metrics.histogram({
      name: 'solopo_training_phase_seconds',
      help: 'Phases of gradient steps',
      labels: ['phase'],
    });
    for (const phase of Object.keys(STEP_PHASES)) this.#phaseSeconds.zero({ phase });
    this.#spikes = metrics.counter({
      name: 'solopo_training_gradient_spikes_total',
      help: 'Steps whose gradient norm was more than ten times the median of the fifty before',
    });
  }

  observe(run: string, { metrics, seconds, phaseSeconds }: ObservedStep): void {
    for (const [name, value] of Object.entries(metrics)) this.#values.set({ name }, value);
    this.#seconds.observe(seconds);
    this.observePhases(phaseSeconds);
    const norm = metrics['grad_norm'];
    if (norm !== undefined && this.#watch.isSpike(run, norm)) this.#spikes.inc();
  }

  observePhases(seconds: PhaseSeconds): void {
    for (const [phase, spent] of Object.entries(seconds)) this.#phaseSeconds.observe({ phase }, spent);
  }
}
