import { Runtime } from '@solopo/lm';
import { withSpan } from '@solopo/tracing';
import type { Activity } from './tasks.ts';

/** A task may run sessions a hundred thousand times; its first ones tell what the others are like. */
const TRACED_RUNS = 256;

/** A runtime that keeps account of its time. */
export class MeasuredRuntime extends Runtime {
  #graphs: Record<string, { runs: number; seconds: number }> = {};
  #taskRuns = 0;

  override async run(...given: Parameters<Runtime['run']>): ReturnType<Runtime['run']> {
    const name = graphName(given[0]);
    const started = performance.now();
    this.#taskRuns += 1;
    const outputs =
      this.#taskRuns > TRACED_RUNS
        ? await super.run(...given)
        : await withSpan('session.run', { attributes: { 'solopo.graph': name } }, () => super.run(...given));
    const graph = (this.#graphs[name] ??= { runs: 0, seconds: 0 });
    graph.runs += 1;
    graph.seconds += (performance.now() - started) / 1000;
    return outputs;
  }

  beginTask(): void {
    this.#taskRuns = 0;
  }

  /** Runs of sessions since the task began. */
  get taskRuns(): number {
    return this.#taskRuns;
  }

  /** Since the last call. */
  takeActivity(): Activity {
    const graphs = this.#graphs;
    this.#graphs = {};
    return { device: this.device, graphs };
  }
}

/** `block-forward/4 {"hidden": ...}` -> `block-forward`: what is left is one of a few names. */
function graphName(key: string): string {
  return /^[a-z-]*/.exec(key)?.[0] ?? key;
}
