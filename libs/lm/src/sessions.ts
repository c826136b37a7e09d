import { join } from 'node:path';
import { encodeModel, type Graph, type GraphForm } from '@solopo/onnx-graph';
import * as ort from 'onnxruntime-node';
import { DeviceMemoryError, type Device } from './device.ts';
import type { Weights } from './runtime.ts';
import { hostBytes, sumOfBytes, type Tensor } from './tensor.ts';

// Else onnxruntime, from 1.30 on, reports its use to its publisher; read at the first session.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

export interface SessionsOptions {
  readonly device: Device;
  readonly form: GraphForm;
  readonly threads: number;
  /** What a session gives stays on the device, except what is fetched. */
  readonly keepsOnDevice: boolean;
  /** Of the weights in all sessions together. */
  readonly maxWeightBytes: number;
  /** A folder for what onnxruntime tells of every node it runs. */
  readonly profile: string | undefined;
}

/** onnxruntime's sessions on one device, made on first use and kept until they are released. */
export class Sessions {
  readonly #kept = new Map<string, Kept>();
  readonly #owners = new WeakMap<object, number>();
  #ownerCount = 0;

  constructor(private readonly options: SessionsOptions) {}

  /** Bytes of the weights that sessions hold. */
  get weightBytes(): number {
    return [...this.#kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * The graph's session; with weights, the one of their owner and part that holds those it reads.
   * @throws DeviceMemoryError where there would be more than `maxWeightBytes` of weights in sessions
   */
  async of(
    key: string,
    graph: () => Graph,
    fetch: readonly string[],
    weights: Weights | undefined,
  ): Promise<ort.InferenceSession> {
    const { keepsOnDevice, maxWeightBytes } = this.options;
    const fetched = keepsOnDevice && fetch.length > 0 ? ` -> ${fetch.join()}` : '';
    const held = weights ? ` with ${weights.part} of ${this.#numberOf(weights.owner)}` : '';
    const name = `${key}${fetched}${held}`;
    const known = this.#kept.get(name);
    if (known) return known.session;
    const described = graph();
    const inside = described.inputs.flatMap(({ name: input }) => {
      const tensor = weights?.tensors[input];
      return tensor ? [[input, tensor] as const] : [];
    });
    const bytes = sumOfBytes(Object.fromEntries(inside));
    if (this.weightBytes + bytes > maxWeightBytes)
      throw new DeviceMemoryError(
        `more than maxDeviceMemory (${maxWeightBytes / 1e6} MB) of weights would lie on the device`,
      );
    const session = this.#create(described, fetch, new Map(inside), weights?.inSession === true);
    session.catch(() => this.#kept.delete(name));
    this.#kept.set(name, { session, owner: weights?.owner ?? null, bytes });
    return session;
  }

  /** Gives back every session, or those that hold weights of an owner. */
  async release(owner?: object): Promise<void> {
    const released = [...this.#kept].filter(([, kept]) => owner === undefined || kept.owner === owner);
    for (const [name] of released) this.#kept.delete(name);
    for (const [, { session }] of released) {
      const ready = await session.catch(() => null);
      if (this.options.profile !== undefined) ready?.endProfiling();
      await ready?.release();
    }
  }

  #numberOf(owner: object): number {
    const known = this.#owners.get(owner);
    if (known !== undefined) return known;
    this.#ownerCount += 1;
    this.#owners.set(owner, this.#ownerCount);
    return this.#ownerCount;
  }

  async #create(
    graph: Graph,
    fetch: readonly string[],
    weights: ReadonlyMap<string, Tensor>,
    arranged: boolean,
  ): Promise<ort.InferenceSession> {
    const { device, form, threads, profile, keepsOnDevice } = this.options;
    const asFed = weights.size > 0 && !arranged;
    const common = {
      ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: join(profile, graph.name) }),
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // Each session's arena holds on to its greatest run for good, and there is one of each part of a layer; of answers there are few.
      enableCpuMemArena: arranged,
      // Each session has threads of its own: one session's must not spin on the processors while another's work. Nor while another
      // process's does, which costs more than waking up, but where a step is of a thousand small nodes.
      extra: {
        session: {
          force_spinning_stop: '1',
          intra_op: { allow_spinning: arranged ? '1' : '0' },
          ...(asFed && { disable_prepacking: '1' }),
        },
        ...(asFed && { optimization: { disable_specified_optimizers: AS_FED.join(';') } }),
      },
      externalData: [...weights].map(([name, tensor]) => ({ path: name, data: hostBytes(tensor) })),
    } as const;
    const model = encodeModel(graph, { form, initialisers: new Set(weights.keys()) });
    if (device === 'cpu') return ort.InferenceSession.create(model, { ...common, executionProviders: ['cpu'] });
    return ort.InferenceSession.create(model, {
      ...common,
      executionProviders: [device],
      // Warnings say that shapes are computed on the processor, which is meant.
      logSeverityLevel: 3,
      // The binding can leave them in WebGPU's buffers only.
      ...(keepsOnDevice && {
        preferredOutputLocation: Object.fromEntries(
          graph.outputs.map(({ name }) => [name, fetch.includes(name) ? 'cpu' : 'gpu-buffer']),
        ),
      }),
    });
  }
}

interface Kept {
  readonly session: Promise<ort.InferenceSession>;
  readonly owner: object | null;
  /** Of the weights in it. */
  readonly bytes: number;
}

/**
 * What onnxruntime would do to weights that it knows: make float32 of lower formats once and for all. With this and packing left out
 * a session computes as if they were fed, to the last bit.
 */
const AS_FED = ['ConstantFolding', 'FuseFp16InitializerToFp32NodeTransformer'];
