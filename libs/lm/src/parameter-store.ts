import { DeviceMemoryError } from './device.ts';
import { ModelError } from './model.error.ts';
import type { Runtime } from './runtime.ts';
import { scaleOf, type StoredTensor, type StoredTensors } from './frozen-weights.ts';
import type { HostTensor } from './safetensors.ts';
import { bytesOf, float16, float32, int8, type Tensor } from './tensor.ts';

/** Parameters by name: in this process's memory until they are first needed, then where the runtime computes. */
export class ParameterStore {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  #host: StoredTensors | null;
  #placed: Promise<Map<string, Tensor>> | undefined;

  constructor(
    readonly runtime: Runtime,
    tensors: StoredTensors,
  ) {
    this.#host = tensors;
    this.shapes = new Map([...tensors].map(([name, { dims }]) => [name, dims]));
  }

  /** Where the runtime computes; the map is this store's own, so it sees what is replaced. */
  placed(): Promise<ReadonlyMap<string, Tensor>> {
    this.#placed ??= this.#place();
    return this.#placed;
  }

  /** The numbers themselves, where the runtime computes in this process's memory; not those that are packed. */
  get host(): Map<string, HostTensor> {
    if (!this.#host) throw new TypeError('these parameters live on the device; read() copies them');
    return new Map([...this.#host].flatMap(([name, tensor]) => ('data' in tensor ? [[name, tensor] as const] : [])));
  }

  async read(): Promise<Map<string, HostTensor>> {
    if (this.#host) return this.host;
    const tensors = new Map<string, HostTensor>();
    for (const [name, tensor] of await this.placed())
      tensors.set(name, { dims: tensor.dims, data: await this.runtime.read(tensor) });
    return tensors;
  }

  /** A new tensor in place of the old one, which is freed. */
  async replace(name: string, tensor: Tensor): Promise<void> {
    const placed = (await this.placed()) as Map<string, Tensor>;
    const old = placed.get(name);
    placed.set(name, tensor);
    if (old) this.runtime.free(old);
  }

  /** Gives back what lies on the device. The store is not used afterwards. */
  async free(): Promise<void> {
    const placed = await this.#placed;
    for (const tensor of placed?.values() ?? []) this.runtime.free(tensor);
    placed?.clear();
  }

  async #place(): Promise<Map<string, Tensor>> {
    const placed = new Map<string, Tensor>();
    for (const [name, tensor] of this.#host ?? [])
      for (const [part, stored] of partsOf(name, tensor))
        placed.set(part, await this.runtime.upload(stored).catch(asTooBig(part, bytesOf(stored))));
    if (this.runtime.keepsOnDevice) this.#host = null;
    return placed;
  }
}

function partsOf(name: string, tensor: StoredTensor): readonly (readonly [name: string, tensor: Tensor])[] {
  const { dims } = tensor;
  if ('data' in tensor) return [[name, float32(tensor.data, dims)]];
  if ('bits' in tensor) return [[name, float16(tensor.bits, dims)]];
  return [
    [name, int8(tensor.values, dims)],
    [scaleOf(name), float32(tensor.scales, [tensor.scales.length, 1])],
  ];
}

/** No smaller batch makes room for a parameter that no buffer of the device holds. */
function asTooBig(name: string, bytes: number): (error: unknown) => never {
  return (error) => {
    const limit = error instanceof DeviceMemoryError && /max buffer size limit \((\d+)\)/.exec(error.message)?.[1];
    if (!limit) throw error;
    throw new ModelError(
      `parameter "${name}" has ${Math.ceil(bytes / 1e6)} MB, and the device's largest buffer holds ${Math.floor(Number(limit) / 1e6)} MB; choose device cpu, or a GPU with larger buffers (docs/gpu.md)`,
      { cause: error },
    );
  };
}
