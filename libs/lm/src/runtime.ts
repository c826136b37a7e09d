import { cpus } from 'node:os';
import { join } from 'node:path';
import { encodeModel, Graph, type GraphForm } from '@solopo/onnx-graph';
import * as ort from 'onnxruntime-node';
import { BufferSizeError, DeviceError, DeviceMemoryError, softwareDriver, type Device } from './device.ts';
import type { FrozenWeights } from './frozen-weights.ts';
import { Scope } from './scope.ts';
import { bytesOf, dtypeOf, hostFloats, isOnDevice, type Tensor } from './tensor.ts';

// Else onnxruntime, from 1.30 on, reports its use to its publisher; read at the first session.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

/** Changes whenever the same numbers could come out with other last bits: graphs, packing, order of sums. */
const LAYOUT_VERSION = 3;

export interface RuntimeOptions {
  readonly threads: number;
  /** Default: cpu. */
  readonly device?: Device;
  /** What may lie on the device at a time. A run that would need more fails as if the device were full. */
  readonly maxDeviceMemoryBytes?: number;
  /**
   * The largest parameter that lies in one piece; larger vocabulary tables are split. Default: what the device refuses more than.
   * For drivers that a kernel cannot read a whole buffer of.
   */
  readonly maxBufferBytes?: number;
  /** How graphs are written. Default: as the device is fastest, which for a driver in software is as loops. */
  readonly form?: GraphForm;
  /** A folder for what onnxruntime tells of every node it runs: see `placements`. */
  readonly profile?: string;
  /** Called after every run of a session: a sign of life. */
  readonly onRun?: () => void;
}

export type Feeds = Readonly<Record<string, Tensor>>;
export type Outputs = Readonly<Record<string, Tensor>>;

/**
 * onnxruntime sessions on one device, made on first use and kept. What a graph gives stays on the device, except what is
 * fetched. `run` blocks the thread it is called on while it computes.
 */
export class Runtime {
  readonly device: Device;
  readonly form: GraphForm;
  readonly #sessions = new Map<string, Promise<ort.InferenceSession>>();
  readonly #live = new Map<Tensor, number>();
  #liveBytes = 0;
  /** The device's largest buffer; known from the first refusal on. */
  #largestBuffer = Infinity;

  constructor(readonly options: RuntimeOptions) {
    this.device = options.device ?? 'cpu';
    this.form = options.form ?? fastestForm(this.device);
  }

  /**
   * Two runs of the same work give the same bits where this is equal: runtime, device, precision, threads, layout and
   * processor.
   */
  get fingerprint(): string {
    return this.fingerprintOf('float32');
  }

  /** With the format of a model's frozen weights, which changes every number. */
  fingerprintOf(frozenWeights: FrozenWeights): string {
    const { threads } = this.options;
    const weights = frozenWeights === 'float32' ? '' : `, frozen weights ${frozenWeights}`;
    const cpu = cpus()[0]?.model.trim() ?? process.arch;
    const form = this.form === 'loops' ? ', loops' : '';
    const { maxBufferBytes } = this.options;
    // Sums over a table's rows are made piece by piece.
    const buffers = maxBufferBytes === undefined ? '' : `, buffers ${maxBufferBytes}`;
    return `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common}; ${this.device} float32${form}${weights}${buffers}; threads ${threads}; layout ${LAYOUT_VERSION}; ${cpu}`;
  }

  /** Whether tensors stay outside this process's memory between runs. */
  get keepsOnDevice(): boolean {
    return this.device === 'webgpu';
  }

  /** What lies on the device now: tensors that were given or uploaded and not yet freed. */
  get allocated(): { readonly tensors: number; readonly bytes: number } {
    return { tensors: this.#live.size, bytes: this.#liveBytes };
  }

  /** What may lie on the device; infinite where nothing says. */
  get memoryBytes(): number {
    return this.options.maxDeviceMemoryBytes ?? Infinity;
  }

  /** The largest parameter that one buffer holds, as far as it is known; otherwise infinite. */
  get maxBufferBytes(): number {
    return Math.min(this.options.maxBufferBytes ?? Infinity, this.#largestBuffer);
  }

  /** What is free where tensors lie; 0 where nothing says. */
  get freeBytes(): number {
    const { maxDeviceMemoryBytes } = this.options;
    if (this.keepsOnDevice && maxDeviceMemoryBytes !== undefined)
      return Math.max(0, maxDeviceMemoryBytes - this.#liveBytes);
    // A driver in software has the memory of its process.
    return this.keepsOnDevice && softwareDriver() === null ? 0 : process.availableMemory();
  }

  /** Tensors made by `work` through its scope are freed when it ends, except those that it keeps. */
  async scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
    const scope = new Scope(this);
    try {
      return await work(scope);
    } finally {
      scope.close();
    }
  }

  /**
   * Runs the graph's session on what it reads of `feeds`. Outputs named in `fetch` come to this process's memory; the
   * others are the caller's to free, which a scope does.
   */
  async run(key: string, graph: () => Graph, feeds: Feeds, fetch: readonly string[] = []): Promise<Outputs> {
    const session = await this.#session(key, graph, fetch);
    const inputs = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name] as ort.Tensor]));
    const outputs = await session.run(inputs).catch((error: unknown) => {
      throw this.#explained(error);
    });
    for (const output of Object.values(outputs)) this.#count(output);
    this.options.onRun?.();
    if (this.#liveBytes > this.memoryBytes) {
      for (const output of Object.values(outputs)) this.free(output);
      throw new DeviceMemoryError(`more than maxDeviceMemory (${this.memoryBytes / 1e6} MB) would lie on the device`);
    }
    return outputs;
  }

  /** The tensor on the device. Where there is none, the tensor itself. */
  async upload(tensor: Tensor): Promise<Tensor> {
    if (!this.keepsOnDevice || isOnDevice(tensor)) return tensor;
    const { y } = await this.run(...identity(tensor), { x: tensor });
    return y as Tensor;
  }

  /** The tensor's numbers, in this process's memory. */
  async read(tensor: Tensor): Promise<Float32Array> {
    if (!isOnDevice(tensor)) return hostFloats(tensor);
    const { y } = await this.run(...identity(tensor), { x: tensor }, ['y']);
    return hostFloats(y as Tensor);
  }

  /** The numbers of tensors, one behind the other. */
  async readJoined(tensors: readonly Tensor[]): Promise<Float32Array> {
    const [first, ...others] = tensors;
    if (first && others.length === 0) return this.read(first);
    const joined = new Float32Array(tensors.reduce((sum, { size }) => sum + size, 0));
    let end = 0;
    for (const tensor of tensors) {
      joined.set(await this.read(tensor), end);
      end += tensor.size;
    }
    return joined;
  }

  /** Gives a tensor's memory on the device back: garbage collection does not. */
  free(tensor: Tensor): void {
    const bytes = this.#live.get(tensor);
    if (bytes === undefined) return;
    this.#live.delete(tensor);
    this.#liveBytes -= bytes;
    (tensor as ort.Tensor).dispose();
  }

  async close(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) {
      const ready = await session.catch(() => null);
      if (this.options.profile !== undefined) ready?.endProfiling();
      await ready?.release();
    }
  }

  #session(key: string, graph: () => Graph, fetch: readonly string[]): Promise<ort.InferenceSession> {
    const name = this.keepsOnDevice && fetch.length > 0 ? `${key} -> ${fetch.join()}` : key;
    let session = this.#sessions.get(name);
    if (!session) {
      session = this.#create(graph(), fetch);
      session.catch(() => this.#sessions.delete(name));
      this.#sessions.set(name, session);
    }
    return session;
  }

  async #create(graph: Graph, fetch: readonly string[]): Promise<ort.InferenceSession> {
    const { threads } = this.options;
    const { profile } = this.options;
    const common = {
      ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: join(profile, graph.name) }),
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // Each session's arena would hold on to its greatest run for good, and there is one of each part of a layer.
      enableCpuMemArena: false,
      // Each session has threads of its own: one session's must not spin on the processors while another's work.
      extra: { session: { force_spinning_stop: '1' } },
    } as const;
    try {
      if (this.device === 'cpu')
        return await ort.InferenceSession.create(encodeModel(graph, { form: this.form }), {
          ...common,
          executionProviders: ['cpu'],
        });
      return await ort.InferenceSession.create(encodeModel(graph, { form: this.form }), {
        ...common,
        executionProviders: [this.device],
        // Warnings say that shapes are computed on the processor, which is meant.
        logSeverityLevel: 3,
        preferredOutputLocation: Object.fromEntries(
          graph.outputs.map(({ name }) => [name, fetch.includes(name) ? 'cpu' : 'gpu-buffer']),
        ),
      });
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #count(tensor: Tensor): void {
    if (!isOnDevice(tensor)) return;
    const bytes = bytesOf(tensor);
    this.#live.set(tensor, bytes);
    this.#liveBytes += bytes;
  }

  /** onnxruntime's errors that have a meaning here, by what they say. */
  #explained(error: unknown): unknown {
    const { message } = error instanceof Error ? error : new Error(String(error));
    if (this.device === 'webgpu' && /WebGPU adapter|webgpu backend|not supported.*webgpu/i.test(message))
      return new DeviceError(NO_ADAPTER);
    if (
      this.device === 'cuda' &&
      /ExecutionProvider_Cuda|providers_cuda|CUDA failure|cuda.*(not available|not supported)/i.test(message)
    )
      return new DeviceError(NO_CUDA);
    if (this.device === 'webgpu' && /requires f16/.test(message)) return new DeviceError(NO_FLOAT16);
    const [, largest] = /max buffer size limit \((\d+)\)/.exec(message) ?? [];
    if (this.device !== 'cpu' && largest !== undefined) {
      this.#largestBuffer = Number(largest);
      return new BufferSizeError(message, this.#largestBuffer);
    }
    // WebGPU only logs that there was no memory for a buffer; what is thrown says that it is none.
    if (
      this.device !== 'cpu' &&
      /out of memory|OutOfMemory|failed to allocate|exceeds.*limit|\[Invalid Buffer/i.test(message)
    )
      return new DeviceMemoryError(message);
    return error;
  }
}

function fastestForm(device: Device): GraphForm {
  if (device === 'cpu') return 'fused';
  return device === 'webgpu' && softwareDriver() !== null ? 'loops' : 'plain';
}

const NO_ADAPTER =
  "no WebGPU adapter was found: install your GPU's Vulkan driver and the Vulkan loader (libvulkan1), see docs/gpu.md, or choose device cpu";

const NO_FLOAT16 =
  'this device has no half-precision numbers (shader-f16 of WebGPU): leave frozenWeights at float32, or choose device cpu';

const NO_CUDA =
  'onnxruntime has no CUDA provider here: add its libraries and CUDA as docs/gpu.md says, or choose device webgpu or cpu';

function identity(tensor: Tensor): [key: string, graph: () => Graph] {
  const [dtype, rank] = [dtypeOf(tensor), tensor.dims.length];
  return [
    `identity ${dtype} ${rank}`,
    () => {
      const g = new Graph('identity');
      const shape = Array.from({ length: rank }, (_, axis) => `D${axis}`);
      g.output('y', g.input('x', dtype, shape));
      return g;
    },
  ];
}
