import { BufferSizeError } from './device.ts';
import { ModelError } from './model.error.ts';
import { isTable } from './parameters.ts';
import type { Runtime } from './runtime.ts';
import { scaleOf } from './frozen-weights.ts';
import type { HostTensor } from './safetensors.ts';
import type { SampledTensor } from './sampling-weights.ts';
import { pieceNames, slicePieces, splitRows, wholeName } from './table-pieces.ts';
import type { TurnedWeights } from './turned-weights.ts';
import { bytesOf, float16, float32, hostFloats, int8, uint8, type Tensor } from './tensor.ts';

/**
 * Parameters by name: in this process's memory until they are first needed, then where the runtime computes. Vocabulary tables
 * that are larger than a buffer there lie in pieces; what is read is whole.
 */
export class ParameterStore {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Of what was to be rounded, what could not be: by name. */
  readonly exact: readonly string[];
  /** How it was turned, which an adapter on it must be too; absent: as it is in its files. */
  readonly turned: TurnedWeights | undefined;
  #host: ReadonlyMap<string, SampledTensor> | null;
  #placed: Promise<Map<string, Tensor>> | undefined;

  constructor(
    readonly runtime: Runtime,
    tensors: ReadonlyMap<string, SampledTensor>,
    { exact = [], turned }: { readonly exact?: readonly string[]; readonly turned?: TurnedWeights } = {},
  ) {
    this.exact = exact;
    this.turned = turned;
    this.#host = tensors;
    this.shapes = new Map([...tensors].map(([name, { dims }]) => [name, dims]));
  }

  /**
   * Where the runtime computes, tables in pieces by the pieces' names; the map is this store's own, so it sees what is replaced.
   * @throws ModelError where a parameter that is no table is larger than any buffer of the device
   */
  placed(): Promise<ReadonlyMap<string, Tensor>> {
    this.#placed ??= this.#place();
    return this.#placed;
  }

  /** In what a parameter lies: itself or, of a table that was split, its pieces of rows in order. @throws ModelError */
  async pieces(name: string): Promise<readonly (readonly [name: string, tensor: Tensor])[]> {
    const placed = await this.placed();
    const whole = placed.get(name);
    if (whole) return [[name, whole]];
    const pieces = [...placed].filter(([piece]) => wholeName(piece) === name);
    if (pieces.length === 0) throw new ModelError(`parameter "${name}" is not in this model`);
    return pieces;
  }

  /** The numbers themselves, where the runtime computes in this process's memory; not those that are packed. */
  get host(): Map<string, HostTensor> {
    if (!this.#host) throw new TypeError('these parameters live on the device; read() copies them');
    return new Map([...this.#host].flatMap(([name, tensor]) => ('data' in tensor ? [[name, tensor] as const] : [])));
  }

  async read(): Promise<Map<string, HostTensor>> {
    if (this.#host) return this.host;
    const tensors = new Map<string, HostTensor>();
    for (const [name, dims] of this.shapes) {
      const pieces = await this.pieces(name);
      tensors.set(name, { dims, data: await this.runtime.readJoined(pieces.map(([, tensor]) => tensor)) });
    }
    return tensors;
  }

  /** The first with a number that is not finite. What is packed has none: packing refuses them. */
  async findNotFinite(): Promise<string | undefined> {
    for (const name of this.shapes.keys()) {
      const host = this.#host?.get(name);
      if (host !== undefined && !('data' in host)) continue;
      const data = host?.data ?? (await this.#readFloats(name));
      if (data?.every(Number.isFinite) === false) return name;
    }
    return undefined;
  }

  async #readFloats(name: string): Promise<Float32Array | undefined> {
    const pieces = (await this.pieces(name)).map(([, tensor]) => tensor);
    return pieces.every(({ type }) => type === 'float32') ? this.runtime.readJoined(pieces) : undefined;
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
    // What could not be placed has been given back.
    const placed = await this.#placed?.catch(() => undefined);
    for (const tensor of placed?.values() ?? []) this.runtime.free(tensor);
    placed?.clear();
  }

  async #place(): Promise<Map<string, Tensor>> {
    const placed = new Map<string, Tensor>();
    try {
      for (const [name, tensor] of this.#host ?? [])
        for (const [part, stored] of partsOf(name, tensor)) await this.#upload(placed, part, stored);
    } catch (error) {
      for (const tensor of placed.values()) this.runtime.free(tensor);
      throw error;
    }
    if (this.runtime.keepsOnDevice) this.#host = null;
    return placed;
  }

  /** A device tells how large its buffers can be by refusing a larger one. */
  async #upload(
    placed: Map<string, Tensor>,
    name: string,
    tensor: Tensor,
    maxBytes = this.runtime.maxBufferBytes,
  ): Promise<void> {
    try {
      for (const [piece, part] of piecesOf(name, tensor, maxBytes)) placed.set(piece, await this.runtime.upload(part));
    } catch (error) {
      if (!(error instanceof BufferSizeError) || error.maxBytes >= maxBytes) throw error;
      await this.#upload(placed, name, tensor, error.maxBytes);
    }
  }
}

type Named = readonly (readonly [name: string, tensor: Tensor])[];

function partsOf(name: string, tensor: SampledTensor): Named {
  const { dims } = tensor;
  if ('data' in tensor) return [[name, float32(tensor.data, dims)]];
  if ('bits' in tensor) return [[name, float16(tensor.bits, dims)]];
  if ('nibbles' in tensor)
    return [
      [name, uint8(tensor.nibbles, dims)],
      [scaleOf(name), float32(tensor.scales, [tensor.scales.length])],
    ];
  return [
    [name, int8(tensor.values, dims)],
    [scaleOf(name), float32(tensor.scales, [tensor.scales.length, 1])],
  ];
}

/** No smaller batch makes room for a parameter that no buffer of the device holds. */
function piecesOf(name: string, tensor: Tensor, maxBytes: number): Named {
  const [rows, columns] = tensor.dims as [number, number];
  if (bytesOf(tensor) <= maxBytes) return [[name, tensor]];
  if (!isTable(name) || 4 * columns >= maxBytes)
    throw new ModelError(
      `parameter "${name}" has ${Math.ceil(bytesOf(tensor) / 1e6)} MB, and the device's largest buffer holds ${Math.floor(maxBytes / 1e6)} MB; choose device cpu, or a GPU with larger buffers (docs/gpu.md)`,
    );
  const pieces = splitRows([rows, columns], maxBytes);
  const names = pieceNames(name, pieces.length);
  return slicePieces(hostFloats(tensor), columns, pieces).map((piece, i) => [names[i] as string, piece]);
}
