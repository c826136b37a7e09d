import { cpus } from 'node:os';
import { Graph, type GraphForm } from '@solopo/onnx-graph';
import * as ort from 'onnxruntime-node';
import { BufferSizeError, DeviceMemoryError, softwareDriver, type Device } from './device.ts';
import type { FrozenWeights } from './frozen-weights.ts';
import { explained } from './runtime-errors.ts';
import { turnsRows, type SamplingWeights } from './sampling-weights.ts';
import { Scope } from './scope.ts';
import { Sessions } from './sessions.ts';
import { bytesOf, dtypeOf, hostFloats, isOnDevice, sumOfBytes, type Tensor } from './tensor.ts';

/** Changes whenever the same numbers could come out with other last bits: graphs, packing, order of sums. */
const LAYOUT_VERSION = 4;

export interface RuntimeOptions {
  readonly threads: number;
  /** Default: cpu. */
  readonly device?: Device;
  /** What the GPU calls itself (`chooseDevice`): a part of the fingerprint, since another GPU gives other last bits. */
  readonly deviceName?: string | null;
  /** What may lie on the device at a time. A run that would need more fails as if the device were full. */
  readonly maxDeviceMemoryBytes?: number;
  /**
   * The largest parameter that lies in one piece; larger vocabulary tables are split. Default: what the device refuses more than.
   * For drivers that a kernel cannot read a whole buffer of.
   */
  readonly maxBufferBytes?: number;
  /** How graphs are written. Default: as the device is fastest, which for a driver in software is as loops. */
  readonly form?: GraphForm;
  /**
   * What products with weights that are kept as float16 are made of. Default: half-precision numbers on a GPU, where that is
   * why they are kept so; float32 on the processor, which has no such products.
   */
  readonly halfProducts?: boolean;
  /** A folder for what onnxruntime tells of every node it runs: see `placements`. */
  readonly profile?: string;
  /** Called after every run of a session: a sign of life. */
  readonly onRun?: (traffic: Traffic) => void;
  /**
   * Frozen weights become initialisers of sessions of their own, so that they stay on the device, instead of being fed to every
   * run. Where tensors stay on the device anyway (`webgpu`) it changes nothing. Default: on `cuda`.
   */
  readonly weightsInSessions?: boolean;
  /**
   * Of how many bytes of weights a session of several layers is made at most. While one is made, its weights are in this process's
   * memory a second time. Default 2^31.
   */
  readonly maxSessionWeightBytes?: number;
}

export type Feeds = Readonly<Record<string, Tensor>>;
export type Outputs = Readonly<Record<string, Tensor>>;

/** Bytes that a run of a session was fed and gave. On a device that keeps no tensors all of them cross the bus. */
export interface Traffic {
  readonly fedBytes: number;
  readonly givenBytes: number;
}

/** Tensors that never change, of which a session may hold a copy. */
export interface Weights {
  /** Whose they are: `releaseSessions(owner)` gives their copies back. */
  readonly owner: object;
  /** Names these tensors among the owner's. */
  readonly part: string;
  readonly tensors: Feeds;
  /** A session holds them whatever the runtime does with others, in the order that its products are fastest in. */
  readonly inSession?: boolean;
}

/**
 * onnxruntime sessions on one device, made on first use and kept. What a graph gives stays on the device, except what is
 * fetched. `run` blocks the thread it is called on while it computes.
 */
export class Runtime {
  readonly device: Device;
  readonly form: GraphForm;
  readonly #sessions: Sessions;
  readonly #live = new Map<Tensor, number>();
  #liveBytes = 0;
  /** In this process's memory: what runs gave and nobody reads. */
  readonly #unread = new WeakSet<Tensor>();
  /** The device's largest buffer; known from the first refusal on. */
  #largestBuffer = Infinity;

  constructor(readonly options: RuntimeOptions) {
    this.device = options.device ?? 'cpu';
    this.form = options.form ?? fastestForm(this.device);
    this.#sessions = new Sessions({
      device: this.device,
      form: this.form,
      threads: options.threads,
      keepsOnDevice: this.keepsOnDevice,
      maxWeightBytes: this.memoryBytes,
      profile: options.profile,
    });
  }

  /**
   * Two runs of the same work give the same bits where this is equal: runtime, device, precision, threads, layout,
   * processor and, where one computes, GPU.
   */
  get fingerprint(): string {
    return this.fingerprintOf('float32');
  }

  /** With the format of a model's frozen weights, which changes every number. */
  fingerprintOf(frozenWeights: FrozenWeights, answers = ''): string {
    const { threads } = this.options;
    const products = frozenWeights === 'float16' && this.halfProducts ? ', float16 products' : '';
    const weights = frozenWeights === 'float32' ? '' : `, frozen weights ${frozenWeights}${products}`;
    const cpu = cpus()[0]?.model.trim() ?? process.arch;
    const form = this.form === 'loops' ? ', loops' : '';
    const sessions = this.weightsInSessions ? ', weights in sessions' : '';
    const { maxBufferBytes, deviceName } = this.options;
    // Sums over a table's rows are made piece by piece.
    const buffers = maxBufferBytes === undefined ? '' : `, buffers ${maxBufferBytes}`;
    const gpu = this.device === 'cpu' ? '' : `; ${deviceName ?? 'a GPU without a name'}`;
    return `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common}; ${this.device} float32${form}${weights}${answers}${sessions}${buffers}; threads ${threads}; layout ${LAYOUT_VERSION}; ${cpu}${gpu}`;
  }

  /** Of answers sampled with weights that are kept so. */
  samplingFingerprint(weights: SamplingWeights): string {
    if (weights === 'float32') return this.fingerprint;
    return this.fingerprintOf('float32', `, ${weights} weights, 8-bit rows${turnsRows(weights) ? ', turned' : ''}`);
  }

  /** Whether products with weights kept as float16 are of half-precision numbers. */
  get halfProducts(): boolean {
    return this.options.halfProducts ?? this.device !== 'cpu';
  }

  /** Whether tensors stay outside this process's memory between runs. */
  get keepsOnDevice(): boolean {
    return this.device === 'webgpu';
  }

  /** Whether frozen weights are initialisers of sessions. */
  get weightsInSessions(): boolean {
    return !this.keepsOnDevice && (this.options.weightsInSessions ?? this.device === 'cuda');
  }

  get maxSessionWeightBytes(): number {
    return this.options.maxSessionWeightBytes ?? 2 ** 31;
  }

  /** What lies on the device now: tensors that were given or uploaded and not yet freed, and the weights in sessions. */
  get allocated(): { readonly tensors: number; readonly bytes: number } {
    return { tensors: this.#live.size, bytes: this.#liveBytes + this.#sessions.weightBytes };
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
   * Runs the graph's session on what it reads of `feeds` and `weights`. Outputs named in `fetch` come to this process's memory; the
   * others are the caller's to free, which a scope does. Weights are fed like the others, or (`weightsInSessions`) there is a session
   * for each owner and part that holds them.
   */
  async run(
    key: string,
    graph: () => Graph,
    feeds: Feeds,
    fetch: readonly string[] = [],
    weights?: Weights,
  ): Promise<Outputs> {
    const held = this.weightsInSessions || weights?.inSession ? weights : undefined;
    const session = await this.#sessions.of(key, graph, fetch, held).catch(this.#explain);
    const all = { ...feeds, ...weights?.tensors };
    const inputs = Object.fromEntries(session.inputNames.map((name) => [name, all[name] as ort.Tensor]));
    const outputs = await session.run(inputs).catch(this.#explain);
    for (const [name, output] of Object.entries(outputs))
      if (isOnDevice(output)) this.#count(output);
      else if (!fetch.includes(name)) this.#unread.add(output);
    this.options.onRun?.({ fedBytes: sumOfBytes(inputs), givenBytes: sumOfBytes(outputs) });
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
    if (!isOnDevice(tensor)) {
      this.#unread.delete(tensor);
      return hostFloats(tensor);
    }
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

  /**
   * Gives a tensor's memory back: on a device garbage collection does not, and in this process it does so late. What was
   * fetched or read is left to it.
   */
  free(tensor: Tensor): void {
    if (this.#unread.delete(tensor)) release(tensor);
    const bytes = this.#live.get(tensor);
    if (bytes === undefined) return;
    this.#live.delete(tensor);
    this.#liveBytes -= bytes;
    (tensor as ort.Tensor).dispose();
  }

  async close(): Promise<void> {
    await this.#sessions.release();
  }

  /** Gives back every session that holds weights of this owner. */
  async releaseSessions(owner: object): Promise<void> {
    await this.#sessions.release(owner);
  }

  #count(tensor: Tensor): void {
    const bytes = bytesOf(tensor);
    this.#live.set(tensor, bytes);
    this.#liveBytes += bytes;
  }

  /** A device tells how large its buffers can be by refusing a larger one. */
  readonly #explain = (error: unknown): never => {
    const known = explained(error, this.device);
    if (known instanceof BufferSizeError) this.#largestBuffer = known.maxBytes;
    throw known;
  };
}

function fastestForm(device: Device): GraphForm {
  if (device === 'cpu') return 'fused';
  return device === 'webgpu' && softwareDriver() !== null ? 'loops' : 'plain';
}

/** The memory goes back to the allocator at once, and into the next run's outputs. */
function release(tensor: Tensor): void {
  (hostFloats(tensor).buffer as ArrayBuffer).transfer(0);
}

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
