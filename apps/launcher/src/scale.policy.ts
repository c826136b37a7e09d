import type { App, FunctionSpec } from '@solopo/functions';

export type Scale = FunctionSpec['scale'];

/** Jobs of an app that wait, are held by a worker, or have not left the outbox. */
export type Lags = Readonly<Partial<Record<App, number>>>;

export interface WorkerView {
  readonly id: string;
  readonly app: App;
  /** When the app last had a job, or when the worker started. */
  readonly busyAt: number;
}

export interface ScaleDecision {
  /** One entry for each worker to start. */
  readonly start: readonly App[];
  /** Ids of the workers to stop. */
  readonly stop: readonly string[];
}

/** As many workers as there are jobs, between the app's bounds; fewer only after the app was idle for long enough. */
export function decideScale(
  lags: Lags,
  workers: readonly WorkerView[],
  scales: Readonly<Record<App, Scale>>,
  now: number,
): ScaleDecision {
  const start: App[] = [];
  const stop: string[] = [];
  for (const [app, scale] of Object.entries(scales) as [App, Scale][]) {
    const lag = lags[app] ?? 0;
    const running = workers.filter((worker) => worker.app === app);
    const wanted = Math.min(Math.max(lag, scale.min), scale.max);
    for (let missing = wanted - running.length; missing > 0; missing--) start.push(app);
    if (lag === 0) {
      const idle = running.slice(scale.min).filter((worker) => now - worker.busyAt >= scale.idleMs);
      stop.push(...idle.map((worker) => worker.id));
    }
  }
  return { start, stop };
}
