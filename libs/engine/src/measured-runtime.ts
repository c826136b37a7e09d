import { Runtime } from '@solopo/lm';
import type { Activity } from './tasks.ts';

/** A runtime that keeps account of its time. */
export class MeasuredRuntime extends Runtime {
  #graphs: Record<string, { runs: number; seconds: number }> = {};

  override async run(...given: Parameters<Runtime['run']>): ReturnType<Runtime['run']> {
    const started = performance.now();
    const outputs = await super.run(...given);
    const graph = (this.#graphs[graphName(given[0])] ??= { runs: 0, seconds: 0 });
    graph.runs += 1;
    graph.seconds += (performance.now() - started) / 1000;
    return outputs;
  }

  /** Since the last call. */
  takeActivity(): Activity {
    const graphs = this.#graphs;
    this.#graphs = {};
    return { device: deviceOf(this.fingerprint), graphs };
  }
}

/** `block-forward/4 {"hidden": ...}` -> `block-forward`: what is left is one of a few names. */
function graphName(key: string): string {
  return /^[a-z-]*/.exec(key)?.[0] ?? key;
}

/** `onnxruntime 1.30.0; cpu float32; threads 1; ...` -> `cpu`. */
function deviceOf(fingerprint: string): string {
  return /; (\w+)/.exec(fingerprint)?.[1] ?? 'unknown';
}
