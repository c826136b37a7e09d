import { cpus } from 'node:os';
import { encodeModel, type Graph } from '@solopo/onnx-graph';
import * as ort from 'onnxruntime-node';

// Else onnxruntime, from 1.30 on, reports its use to its publisher; read at the first session.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

/** Changes whenever the same numbers could come out with other last bits: graphs, packing, order of sums. */
const LAYOUT_VERSION = 1;

export interface RuntimeOptions {
  readonly threads: number;
  /** Called after every run of a session: a sign of life. */
  readonly onRun?: () => void;
}

/** onnxruntime sessions, made on first use and kept. `run` blocks the thread it is called on while it computes. */
export class Runtime {
  readonly #sessions = new Map<string, Promise<ort.InferenceSession>>();

  constructor(readonly options: RuntimeOptions) {}

  /**
   * Two runs of the same work give the same bits where this is equal: runtime, device, precision, threads, layout and
   * processor.
   */
  get fingerprint(): string {
    const { threads } = this.options;
    const cpu = cpus()[0]?.model.trim() ?? process.arch;
    return `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common}; cpu float32; threads ${threads}; layout ${LAYOUT_VERSION}; ${cpu}`;
  }

  /** Runs the graph's session on what it reads of `feeds`. */
  async run(
    key: string,
    graph: () => Graph,
    feeds: Readonly<Record<string, ort.Tensor>>,
  ): Promise<Readonly<Record<string, ort.Tensor>>> {
    let session = this.#sessions.get(key);
    if (!session) {
      session = ort.InferenceSession.create(encodeModel(graph()), {
        executionProviders: ['cpu'],
        intraOpNumThreads: this.options.threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        // Each session has threads of its own: one session's must not spin on the processors while another's work.
        extra: { session: { force_spinning_stop: '1' } },
      });
      this.#sessions.set(key, session);
    }
    const ready = await session;
    const outputs = await ready.run(
      Object.fromEntries(ready.inputNames.map((name) => [name, feeds[name] as ort.Tensor])),
    );
    this.options.onRun?.();
    return outputs;
  }

  async close(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) await (await session).release();
  }
}

export const float32 = (data: Float32Array, dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('float32', data, [...dims]);
export const int32 = (data: Int32Array, dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('int32', data, [...dims]);
export const int64 = (values: readonly number[], dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [...dims]);

export function floats(outputs: Readonly<Record<string, ort.Tensor>>, name: string): Float32Array {
  return outputs[name]?.data as Float32Array;
}

export type { Tensor } from 'onnxruntime-node';
