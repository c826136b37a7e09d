import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Ledger } from '@solopo/ledger';
import { CONFIG, Health, LOGGER, Metrics, Resources, type Logger } from '@solopo/platform';
import { followRuns, MlflowTracker, TensorBoardTracker, type Tracker } from '@solopo/trackers';
import type { GatewayConfig } from '../gateway.config.ts';

/** Brings what the ledger says of runs to the trackers that people use already. */
@Injectable()
export class Tracking implements OnApplicationBootstrap {
  readonly #trackers: readonly Tracker[];
  readonly #stopping = new AbortController();
  readonly #points;
  readonly #failures;
  #following: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(CONFIG) config: GatewayConfig,
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
    @Inject(Health) health: Health,
    @Inject(Resources) resources: Resources,
  ) {
    this.#trackers = trackersOf(config);
    this.#points = metrics.counter({
      name: 'solopo_tracked_points_total',
      help: 'Points written to a tracker of experiments',
      labels: ['tracker'],
    });
    this.#failures = metrics.counter({
      name: 'solopo_tracker_failures_total',
      help: 'Attempts to write to a tracker of experiments that failed; they are made again',
      labels: ['tracker'],
    });
    health.onStop(() => this.#stopping.abort());
    resources.defer('tracking', async () => {
      this.#stopping.abort();
      await this.#following;
    });
  }

  onApplicationBootstrap(): void {
    for (const { name } of this.#trackers) {
      this.#points.inc({ tracker: name }, 0);
      this.#failures.inc({ tracker: name }, 0);
    }
    this.#following = Promise.all(this.#trackers.map((tracker) => this.#follow(tracker)));
  }

  async #follow(tracker: Tracker): Promise<void> {
    let failing = false;
    await followRuns(this.ledger, tracker, {
      signal: this.#stopping.signal,
      onWritten: ({ name }, points) => {
        failing = false;
        this.#points.inc({ tracker: name }, points);
      },
      onError: ({ name }, run, error) => {
        this.#failures.inc({ tracker: name });
        if (!failing) this.logger.warn({ tracker: name, run, error }, 'a run could not be tracked; trying again');
        failing = true;
      },
    });
  }
}

function trackersOf({ tensorboardFolder, mlflowUrl, mlflowToken, mlflowExperiment }: GatewayConfig): Tracker[] {
  return [
    ...(tensorboardFolder === undefined ? [] : [new TensorBoardTracker(tensorboardFolder)]),
    ...(mlflowUrl === undefined
      ? []
      : [new MlflowTracker({ url: mlflowUrl, token: mlflowToken, experiment: mlflowExperiment })]),
  ];
}
