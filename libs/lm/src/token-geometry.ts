import type { CHUNK_COLUMNS } from './attention.graph.ts';
import { layerKind, type LayerKind, type ModelConfig } from './model-config.ts';
import { RotaryTable } from './rotary.ts';
import type { Runtime } from './runtime.ts';
import type { Scope } from './scope.ts';
import { float32, int64, type Tensor } from './tensor.ts';
import type { Stretch } from './tree-batch.ts';

/*
 * The token axis of a batch as the layers' graphs read it: who sees whom, by what angles tokens are rotated, and the chunks that
 * attention takes its queries in.
 */

const QUERY_CHUNK = 256;
const MIN_QUERY_CHUNK = 32;

/** The feeds that the layers of a kind share in a pass: of the token axis, and the ranges of each chunk of queries. */
export interface TokenGeometry {
  /** Of which tokens the layer makes its output. */
  readonly outputs: 'all' | 'some';
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly window: number | null;
  readonly chunks: readonly Readonly<Record<(typeof CHUNK_COLUMNS)[number], Tensor>>[];
  /** Where not all keys and values have a gradient. */
  readonly constants: ConstantTokens | null;
}

/** `own_from`: the first token that runs; `trained` [B, 1, S, 1], of those that run: 1 where its keys and values have a gradient, else 0. */
export type ConstantTokens = Readonly<Record<'own_from' | 'trained', Tensor>>;

export interface TokenAxisOptions {
  /** Attention takes its queries in chunks of so many tokens. Default 256. */
  readonly queryChunk?: number | undefined;
  /** The last layer is one that makes its output of some tokens, even where these are all. */
  readonly lastOfSome: boolean;
}

/** Of one model's batches. */
export class TokenAxis {
  readonly #rotary: ReadonlyMap<LayerKind, RotaryTable>;

  constructor(
    private readonly config: ModelConfig,
    private readonly runtime: Runtime,
    private readonly options: TokenAxisOptions,
  ) {
    this.#rotary = new Map(config.layerKinds.map((kind) => [kind, new RotaryTable(config.headSize, kind)]));
  }

  /** By layer; layers of a kind share theirs. The last one makes its output from `readFrom` on. */
  async geometry(scope: Scope, stretch: Stretch): Promise<(layer: number) => TokenGeometry> {
    const { rows, from, to: length, readFrom, positions, promptEnd, branchStart, sequenceLengths } = stretch;
    const places = (values: Int32Array): Promise<Tensor> =>
      scope.upload(float32(Float32Array.from(values), [values.length / length, length]));
    const shared = {
      positions: await places(positions),
      prompt_end: await places(promptEnd),
      branch_start: await places(branchStart),
      index: await places(Int32Array.from({ length }, (_, i) => i)),
    };
    const size = this.#queryChunk(rows, length);
    const chunks = queryChunks(from, length, size);
    const constants = await this.#constants(scope, stretch);
    const own = length - from;
    const ownPositions = from === 0 ? positions : positions.filter((_, place) => place % length >= from);
    const ofKind = new Map<LayerKind, TokenGeometry>();
    for (const kind of this.config.layerKinds) {
      const { cos, sin } = this.rotary(kind, ownPositions, sequenceLengths, own);
      const feeds = { ...shared, cos: await scope.upload(cos), sin: await scope.upload(sin) };
      ofKind.set(kind, { outputs: 'all', feeds, window: kind.slidingWindow, chunks, constants });
    }
    const last = this.config.layers - 1;
    const whole = (layer: number) => ofKind.get(layerKind(this.config, layer)) as TokenGeometry;
    if (readFrom === from && !this.options.lastOfSome) return whole;
    const ofLast: TokenGeometry = {
      ...whole(last),
      outputs: 'some',
      feeds: { ...whole(last).feeds, output_from: int64([readFrom - from], [1]), output_to: int64([own], [1]) },
      chunks: queryChunks(readFrom, length, size),
    };
    return (layer) => (layer === last ? ofLast : whole(layer));
  }

  /** A layer kind's cosines and sines [rows, length, 1, 1, K/2] at positions of sequences, whose lengths are given by row. */
  rotary(
    kind: LayerKind,
    positions: Int32Array,
    sequenceLengths: Int32Array,
    length: number,
  ): { cos: Tensor; sin: Tensor } {
    const table = this.#rotary.get(kind) as RotaryTable;
    const half = this.config.headSize / 2;
    const cos = new Float32Array(positions.length * half);
    const sin = new Float32Array(positions.length * half);
    positions.forEach((position, i) => {
      const angles = table.at(position, sequenceLengths[Math.floor(i / length)] as number);
      cos.set(angles.cos, i * half);
      sin.set(angles.sin, i * half);
    });
    const dims = [sequenceLengths.length, length, 1, 1, half];
    return { cos: float32(cos, dims), sin: float32(sin, dims) };
  }

  async #constants(scope: Scope, { rows, from, to, gradientFrom }: Stretch): Promise<ConstantTokens | null> {
    if (gradientFrom.every((first) => first === 0)) return null;
    const own = to - from;
    const trained = Float32Array.from({ length: rows * own }, (_, i) =>
      from + (i % own) >= (gradientFrom[Math.floor(i / own)] as number) ? 1 : 0,
    );
    return { own_from: int64([from], [1]), trained: await scope.upload(float32(trained, [rows, 1, own, 1])) };
  }

  /** Queries a chunk: a chunk's scores and their gradients take no more than a small part of the device's memory. */
  #queryChunk(rows: number, length: number): number {
    const chosen = this.options.queryChunk ?? QUERY_CHUNK;
    const bytesPerQuery = 4 * 4 * rows * this.config.heads * length;
    const fitting = Math.floor(this.runtime.memoryBytes / 8 / bytesPerQuery);
    return Math.max(Math.min(chosen, MIN_QUERY_CHUNK), Math.min(chosen, fitting));
  }
}

/** The queries from `first` up to `end` in chunks of about equal length, none longer than `size`. */
function queryChunks(first: number, end: number, size: number): TokenGeometry['chunks'] {
  const asking = end - first;
  const count = Math.max(1, Math.ceil(asking / size));
  const step = Math.ceil(asking / count);
  return Array.from(
    { length: count },
    (_, i) => [Math.min(asking, i * step), Math.min(asking, (i + 1) * step)] as const,
  )
    .filter(([from, to]) => to > from)
    .map(([from, to]) => ({
      query_from: int64([first + from], [1]),
      query_to: int64([first + to], [1]),
      row_from: int64([from], [1]),
      row_to: int64([to], [1]),
      key_from: int64([0], [1]),
      // No token sees one that stands behind it.
      key_to: int64([first + to], [1]),
    }));
}
