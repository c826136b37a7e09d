import { attentionBackward, attentionForward, joinTokens } from './attention.graph.ts';
import {
  finishBackward,
  finishForward,
  projectBackward,
  projectForward,
  type FINISH_ACTIVATIONS,
  type BlockShape,
} from './block.graph.ts';
import { headBackward, headPredict, headScore } from './head.graph.ts';
import { blockLoraParameters, type LoraOptions } from './lora.ts';
import { layerKind, type LayerKind, type ModelConfig } from './model-config.ts';
import { readModelFolder } from './model-folder.ts';
import { ModelError } from './model.error.ts';
import { blockParameters, EMBEDDING, FINAL_NORM, layerParameter, outputParameter } from './parameters.ts';
import { RotaryTable, sharedPromptLimit } from './rotary.ts';
import { float32, floats, int32, int64, type Runtime, type Tensor } from './runtime.ts';
import type { HostTensor, HostTensors } from './safetensors.ts';
import type { Target, TreeBatch } from './tree-batch.ts';

const QUERY_CHUNK = 256;
/** The head is run on so many rows at a time that their logits stay below this many numbers. */
const MAX_LOGITS = 1 << 25;

export interface LanguageModelOptions {
  /** Attention takes its queries in chunks of so many tokens. Default 256. */
  readonly queryChunk?: number;
  /**
   * What the backward pass computes again: `all` keeps only each block's input, `none` keeps what it reads (its products
   * too), `auto` (the default) keeps that for as many of the last blocks as fit into half of the memory that is available. The
   * numbers are the same, bit by bit.
   */
  readonly recompute?: 'auto' | 'all' | 'none';
}

/** What a forward pass leaves: the last block's output [rows, length, d] and, for the backward pass, what each block needs. */
export interface Activations {
  readonly batch: TreeBatch;
  readonly output: Tensor;
  readonly layers: readonly LayerActivations[];
}

interface LayerActivations {
  /** The block's input. */
  readonly h: Tensor;
  /** Null: computed again. */
  readonly kept: Kept | null;
}

type Projected = Readonly<Record<'queries' | 'keys' | 'values', Tensor>>;
type Kept = Projected & Readonly<Record<'mixed' | (typeof FINISH_ACTIVATIONS)[number], Tensor>>;

/** The feeds that a batch's layers of a kind share: of the token axis, and the ranges of each chunk of queries. */
interface TokenGeometry {
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly window: number | null;
  readonly chunks: readonly Readonly<Record<string, Tensor>>[];
}

/** Gradients of a loss, by parameter; summed over the passes that are added. */
export type Gradients = Map<string, Float32Array>;

/** A low-rank adapter on a model: what is trained instead of the model's own parameters. */
export interface Adapter {
  readonly options: LoraOptions;
  readonly weights: HostTensors;
}

/** What each target of a batch gave. */
export interface TargetStatistics {
  readonly logps: Float32Array;
  /** 1 where the target was the most likely token. */
  readonly hits: Uint8Array;
  /** Entropy of the predicted distribution, in nats. */
  readonly entropies: Float32Array;
  /** Mean over the vocabulary. */
  readonly meanLogits: Float32Array;
}

/** A decoder-only transformer run block by block on onnxruntime. Weights may be changed in place between runs. */
export class LanguageModel {
  readonly #weights: ReadonlyMap<string, Tensor>;
  readonly #adapter: ReadonlyMap<string, Tensor>;
  readonly #shape: BlockShape;
  readonly #key: (graph: string) => string;
  readonly #rotary: ReadonlyMap<LayerKind, RotaryTable>;

  constructor(
    readonly config: ModelConfig,
    weights: HostTensors,
    readonly runtime: Runtime,
    adapter: Adapter | null = null,
    readonly options: LanguageModelOptions = {},
  ) {
    this.#weights = tensorsOf(weights);
    this.#adapter = tensorsOf(adapter?.weights ?? new Map());
    this.#shape = { config, lora: adapter?.options ?? null };
    // Graphs differ between architectures and adapters, so a shared runtime keeps them apart.
    const shape = JSON.stringify(this.#shape);
    this.#key = (graph) => `${graph} ${shape}`;
    this.#rotary = new Map(config.layerKinds.map((kind) => [kind, new RotaryTable(config.headSize, kind)]));
  }

  static fromFolder(folder: string, runtime: Runtime): LanguageModel {
    const { config, weights } = readModelFolder(folder);
    return new LanguageModel(config, weights, runtime);
  }

  /** The parameters themselves, not a copy. */
  get weights(): Map<string, HostTensor> {
    return hostTensorsOf(this.#weights);
  }

  /** What training changes: the adapter's matrices, or every parameter. The tensors themselves, not a copy. */
  get trainable(): Map<string, HostTensor> {
    return this.#shape.lora ? hostTensorsOf(this.#adapter) : this.weights;
  }

  get shape(): BlockShape {
    return this.#shape;
  }

  /** Runs every block, and keeps what the backward pass needs. */
  async forward(batch: TreeBatch): Promise<Activations> {
    const geometry = this.#geometry(batch);
    const firstKept = this.config.layers - this.#layersKept(batch);
    const layers: LayerActivations[] = [];
    let h = this.embed(batch.tokens, [batch.rows, batch.length]);
    for (let layer = 0; layer < this.config.layers; layer++) {
      const { output, ...kept } = await this.#block(layer, h, geometry(layer), { activations: layer >= firstKept });
      layers.push({ h, kept: layer >= firstKept ? (kept as Kept) : null });
      h = output;
    }
    return { batch, output: h, layers };
  }

  /** Runs every block for its output alone; nothing is kept for a backward pass. */
  async infer(batch: TreeBatch): Promise<Activations> {
    return { ...(await this.prefill(batch, () => undefined)), layers: [] };
  }

  /** As infer; `onLayer` is given each layer's queries [rows, length, G, R, K], and keys and values [rows, G, length, K]. */
  async prefill(batch: TreeBatch, onLayer: (projected: Projected) => void): Promise<Activations> {
    const geometry = this.#geometry(batch);
    let h = this.embed(batch.tokens, [batch.rows, batch.length]);
    for (let layer = 0; layer < this.config.layers; layer++) {
      const { output, queries, keys, values } = await this.#block(layer, h, geometry(layer), { activations: false });
      onLayer({ queries, keys, values });
      h = output;
    }
    return { batch, output: h, layers: [] };
  }

  async #block(
    layer: number,
    h: Tensor,
    geometry: TokenGeometry,
    { activations }: { activations: boolean },
  ): Promise<Projected & { readonly mixed: Tensor; readonly output: Tensor } & Partial<Kept>> {
    const projected = await this.#project(layer, h, geometry);
    const mixed = await this.#attend(projected, geometry);
    const finished = await this.#finish(layer, h, mixed, { output: true, activations });
    const { h_out: output, ...rest } = finished;
    return { ...projected, ...rest, mixed, output: output as Tensor };
  }

  async #project(layer: number, h: Tensor, geometry: TokenGeometry): Promise<Projected> {
    const { queries, keys, values } = await this.runtime.run(
      this.#key('project-forward'),
      () => projectForward(this.#shape),
      { ...geometry.feeds, ...this.layerWeights(layer), h },
    );
    return { queries: queries as Tensor, keys: keys as Tensor, values: values as Tensor };
  }

  async #attend(projected: Projected, geometry: TokenGeometry): Promise<Tensor> {
    const { heads, headSize } = this.config;
    const pieces: Tensor[] = [];
    for (const range of geometry.chunks) {
      const { mixed } = await this.runtime.run(
        this.#key(`attention-forward ${geometry.window}`),
        () => attentionForward(this.config, geometry.window),
        { ...geometry.feeds, ...range, ...projected },
      );
      pieces.push(mixed as Tensor);
    }
    return this.#join(pieces, (tokens) => ['B', tokens, heads * headSize]);
  }

  #finish(
    layer: number,
    h: Tensor,
    mixed: Tensor,
    wanted: { readonly output: boolean; readonly activations: boolean },
  ): Promise<Readonly<Record<string, Tensor>>> {
    return this.runtime.run(
      this.#key(`finish-forward ${JSON.stringify(wanted)}`),
      () => finishForward(this.#shape, wanted),
      { ...this.layerWeights(layer), h, mixed },
    );
  }

  /** Pieces along the token axis, joined. */
  async #join(pieces: readonly Tensor[], shape: (tokens: string) => (number | string)[]): Promise<Tensor> {
    if (pieces.length === 1) return pieces[0] as Tensor;
    const { whole } = await this.runtime.run(
      this.#key(`join-tokens ${pieces.length} ${shape('T').join()}`),
      () => joinTokens(pieces.length, shape),
      Object.fromEntries(pieces.map((piece, i) => [`piece_${i}`, piece])),
    );
    return whole as Tensor;
  }

  /** log p of each target. Only the targets' rows reach the vocabulary. */
  async targetLogps(activations: Activations): Promise<{ logps: Float32Array; hits: Uint8Array }> {
    return this.#score(activations, false);
  }

  /** As targetLogps, with the entropy and the mean logit of each row. */
  async targetStats(activations: Activations): Promise<TargetStatistics> {
    return this.#score(activations, true);
  }

  async #score({ batch: { targets }, output }: Activations, statistics: boolean): Promise<TargetStatistics> {
    const column = (): Float32Array => new Float32Array(statistics ? targets.length : 0);
    const result = {
      logps: new Float32Array(targets.length),
      hits: new Uint8Array(targets.length),
      entropies: column(),
      meanLogits: column(),
    };
    for (const [from, to] of this.#headChunks(targets.length)) {
      const chunk = targets.slice(from, to);
      const outputs = await this.runtime.run(
        this.#key(statistics ? 'head-statistics' : 'head-score'),
        () => headScore(this.config, { statistics }),
        { ...this.#headFeeds(output, chunk), targets: targetTensor(chunk) },
      );
      result.logps.set(floats(outputs, 'logps'), from);
      const argmax = outputs.argmax?.data as BigInt64Array;
      chunk.forEach(({ token }, i) => (result.hits[from + i] = Number(argmax[i]) === token ? 1 : 0));
      if (!statistics) continue;
      result.entropies.set(floats(outputs, 'entropies'), from);
      result.meanLogits.set(floats(outputs, 'mean_logits'), from);
    }
    return result;
  }

  /** The most likely next token, or all logits, after the hidden states at the given places. */
  async predict(hidden: Tensor, indices: readonly number[], output: 'logits'): Promise<Float32Array>;
  async predict(hidden: Tensor, indices: readonly number[], output: 'argmax'): Promise<BigInt64Array>;
  async predict(
    hidden: Tensor,
    indices: readonly number[],
    output: 'logits' | 'argmax',
  ): Promise<Float32Array | BigInt64Array> {
    const outputs = await this.runtime.run(
      this.#key(`head-${output}`),
      () => headPredict(this.config, output),
      this.#headFeeds(
        hidden,
        indices.map((index) => ({ index })),
      ),
    );
    return outputs[output]?.data as Float32Array | BigInt64Array;
  }

  /**
   * Adds to `gradients` the gradient of sum(dLogps * log p(target)) with respect to what is trainable. Targets whose
   * derivative is 0 are left out.
   */
  async backward({ batch, output, layers }: Activations, dLogps: Float32Array, gradients: Gradients): Promise<void> {
    const { hiddenSize: d } = this.config;
    const frozen = this.#shape.lora !== null;
    const dHidden = new Float32Array(batch.rows * batch.length * d);
    const active = batch.targets
      .map((target, i) => ({ ...target, dLogp: dLogps[i] as number }))
      .filter(({ dLogp }) => dLogp !== 0);
    if (active.length === 0) return;
    for (const [from, to] of this.#headChunks(active.length)) {
      const chunk = active.slice(from, to);
      const outputs = await this.runtime.run(this.#key('head-backward'), () => headBackward(this.config, { frozen }), {
        ...this.#headFeeds(output, chunk),
        targets: targetTensor(chunk),
        dlogps: float32(
          Float32Array.from(chunk, ({ dLogp }) => dLogp),
          [chunk.length, 1],
        ),
      });
      scatterRows(dHidden, floats(outputs, 'dh'), chunk, d);
      if (frozen) continue;
      accumulate(gradients, FINAL_NORM, floats(outputs, 'd_norm'));
      accumulate(gradients, outputParameter(this.config), floats(outputs, 'd_table'));
    }

    const geometry = this.#geometry(batch);
    const tape = [...layers];
    let dh = float32(dHidden, output.dims);
    for (let layer = this.config.layers - 1; layer >= 0; layer--) {
      // Taken off the tape: what a block kept is let go as soon as the block is done.
      dh = await this.#blockBackward(layer, tape.pop() as LayerActivations, dh, geometry(layer), gradients);
    }
    if (frozen) return;
    const table = gradients.get(EMBEDDING) ?? new Float32Array(this.config.vocabSize * d);
    gradients.set(EMBEDDING, table);
    scatterEmbeddings(table, dh.data as Float32Array, batch.tokens, this.config);
  }

  /** dh' -> dh of one block; adds the gradients of what is trained in it. */
  async #blockBackward(
    layer: number,
    { h, kept }: LayerActivations,
    dOutput: Tensor,
    geometry: TokenGeometry,
    gradients: Gradients,
  ): Promise<Tensor> {
    const { heads, kvHeads, headSize } = this.config;
    const { queries, keys, values, ...finished } = kept ?? (await this.#recompute(layer, h, geometry));
    const finish = await this.runtime.run(this.#key('finish-backward'), () => finishBackward(this.#shape), {
      ...this.layerWeights(layer),
      ...finished,
      h,
      dh_out: dOutput,
    });
    this.#accumulate(gradients, layer, finish);

    let dKeys = float32(new Float32Array(keys.size), keys.dims);
    let dValues = float32(new Float32Array(values.size), values.dims);
    const dQueries: Tensor[] = [];
    for (const range of geometry.chunks) {
      const outputs = await this.runtime.run(
        this.#key(`attention-backward ${geometry.window}`),
        () => attentionBackward(this.config, geometry.window),
        {
          ...geometry.feeds,
          ...range,
          queries,
          keys,
          values,
          d_mixed: finish.d_mixed as Tensor,
          d_keys: dKeys,
          d_values: dValues,
        },
      );
      dQueries.push(outputs.d_queries_chunk as Tensor);
      dKeys = outputs.d_keys_out as Tensor;
      dValues = outputs.d_values_out as Tensor;
    }

    const project = await this.runtime.run(this.#key('project-backward'), () => projectBackward(this.#shape), {
      ...geometry.feeds,
      ...this.layerWeights(layer),
      h,
      d_queries: await this.#join(dQueries, (tokens) => ['B', tokens, kvHeads, heads / kvHeads, headSize]),
      d_keys: dKeys,
      d_values: dValues,
      dh_past: finish.dh_past as Tensor,
    });
    this.#accumulate(gradients, layer, project);
    return project.dh as Tensor;
  }

  async #recompute(layer: number, h: Tensor, geometry: TokenGeometry): Promise<Kept> {
    const projected = await this.#project(layer, h, geometry);
    const mixed = await this.#attend(projected, geometry);
    const finished = await this.#finish(layer, h, mixed, { output: false, activations: true });
    return { ...projected, mixed, ...finished } as Kept;
  }

  /** Adds what a block's backward graph gave of the parameters' gradients, `d_NAME`. */
  #accumulate(gradients: Gradients, layer: number, outputs: Readonly<Record<string, Tensor>>): void {
    const { lora } = this.#shape;
    const trained = lora ? blockLoraParameters(this.config, lora) : blockParameters(this.config);
    for (const [name] of trained) {
      const gradient = outputs[`d_${name}`];
      if (gradient) accumulate(gradients, layerParameter(layer, name), gradient.data as Float32Array);
    }
  }

  /** How many of the last blocks keep what their backward pass reads. */
  #layersKept({ rows, length }: TreeBatch): number {
    const { recompute = 'auto' } = this.options;
    const { layers, heads, kvHeads, headSize, hiddenSize, intermediateSize } = this.config;
    if (recompute !== 'auto') return recompute === 'none' ? layers : 0;
    const floatsPerToken = 2 * heads * headSize + 2 * kvHeads * headSize + hiddenSize + 2 * intermediateSize;
    const layerBytes = 4 * rows * length * floatsPerToken;
    return Math.min(layers, Math.floor(process.availableMemory() / 2 / layerBytes));
  }

  /** Embeddings [..., d] of tokens. */
  embed(tokens: Int32Array, dims: readonly number[]): Tensor {
    const { hiddenSize: d, vocabSize, embeddingScale } = this.config;
    const table = this.#weight(EMBEDDING).data as Float32Array;
    const out = new Float32Array(tokens.length * d);
    tokens.forEach((token, i) => {
      if (token < 0 || token >= vocabSize)
        throw new ModelError(
          `token ${token} is outside the vocabulary of ${vocabSize}; the tokenizer does not belong to this model`,
        );
      out.set(table.subarray(token * d, (token + 1) * d), i * d);
    });
    if (embeddingScale !== 1) out.forEach((value, i) => (out[i] = value * embeddingScale));
    return float32(out, [...dims, d]);
  }

  layerWeights(layer: number): Record<string, Tensor> {
    const { lora } = this.#shape;
    const named = (
      parameters: readonly (readonly [name: string, dims: readonly number[]])[],
      tensor: (name: string) => Tensor,
    ) => parameters.map(([name]) => [name, tensor(layerParameter(layer, name))] as const);
    return Object.fromEntries([
      ...named(blockParameters(this.config), (name) => this.#weight(name)),
      ...(lora ? named(blockLoraParameters(this.config, lora), (name) => this.#adapter.get(name) as Tensor) : []),
    ]);
  }

  /** How trees have to be laid out for this model: `packTrees(trees, model.packing)`. */
  get packing(): { readonly sharePromptsUpTo: number } {
    return {
      sharePromptsUpTo: Math.min(...this.config.layerKinds.map(({ ropeScaling }) => sharedPromptLimit(ropeScaling))),
    };
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

  /** By layer; layers of a kind share theirs. */
  #geometry({
    rows,
    length,
    positions,
    promptEnd,
    branchStart,
    sequenceLengths,
  }: TreeBatch): (layer: number) => TokenGeometry {
    const dims = [rows, length];
    const shared = {
      positions: int32(positions, dims),
      prompt_end: int32(promptEnd, dims),
      branch_start: int32(branchStart, dims),
      index: int32(
        Int32Array.from({ length }, (_, i) => i),
        [1, length],
      ),
    };
    const chunks = queryChunks(length, this.options.queryChunk ?? QUERY_CHUNK).map(([from, to]) => ({
      query_from: int64([from], [1]),
      query_to: int64([to], [1]),
      key_from: int64([0], [1]),
      // No token sees one that stands behind it.
      key_to: int64([to], [1]),
    }));
    const ofKind = new Map(
      this.config.layerKinds.map((kind) => [
        kind,
        {
          feeds: { ...shared, ...this.rotary(kind, positions, sequenceLengths, length) },
          window: kind.slidingWindow,
          chunks,
        },
      ]),
    );
    return (layer) => ofKind.get(layerKind(this.config, layer)) as TokenGeometry;
  }

  #headFeeds(hidden: Tensor, rows: readonly Pick<Target, 'index'>[]): Record<string, Tensor> {
    const { hiddenSize: d } = this.config;
    const source = hidden.data as Float32Array;
    const h = new Float32Array(rows.length * d);
    rows.forEach(({ index }, i) => h.set(source.subarray(index * d, (index + 1) * d), i * d));
    return {
      h: float32(h, [rows.length, d]),
      norm: this.#weight(FINAL_NORM),
      table: this.#weight(outputParameter(this.config)),
    };
  }

  #headChunks(rows: number): [number, number][] {
    const size = Math.max(1, Math.floor(MAX_LOGITS / this.config.vocabSize));
    return Array.from({ length: Math.ceil(rows / size) }, (_, i) => [i * size, Math.min(rows, (i + 1) * size)]);
  }

  #weight(name: string): Tensor {
    const tensor = this.#weights.get(name);
    if (!tensor) throw new ModelError(`parameter "${name}" is not in this model`);
    return tensor;
  }
}

/** [from, to) of chunks of about equal length, none longer than `size`. */
function queryChunks(length: number, size: number): [number, number][] {
  const count = Math.max(1, Math.ceil(length / size));
  const step = Math.ceil(length / count);
  return Array.from({ length: count }, (_, i): [number, number] => [
    Math.min(length, i * step),
    Math.min(length, (i + 1) * step),
  ]).filter(([from, to]) => to > from);
}

/** Zeros in the shape of each parameter. */
export function zeroGradients(parameters: HostTensors): Gradients {
  return new Map([...parameters].map(([name, { data }]) => [name, new Float32Array(data.length)]));
}

function tensorsOf(tensors: HostTensors): ReadonlyMap<string, Tensor> {
  return new Map([...tensors].map(([name, { dims, data }]) => [name, float32(data, dims)]));
}

function hostTensorsOf(tensors: ReadonlyMap<string, Tensor>): Map<string, HostTensor> {
  return new Map([...tensors].map(([name, { dims, data }]) => [name, { dims, data: data as Float32Array }]));
}

function targetTensor(targets: readonly Pick<Target, 'token'>[]): Tensor {
  return int64(
    targets.map(({ token }) => token),
    [targets.length, 1],
  );
}

function accumulate(gradients: Gradients, name: string, addend: Float32Array): void {
  const sum = gradients.get(name);
  if (!sum) gradients.set(name, Float32Array.from(addend));
  else for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (addend[i] as number);
}

function scatterRows(
  out: Float32Array,
  rows: Float32Array,
  at: readonly { readonly index: number }[],
  d: number,
): void {
  at.forEach(({ index }, i) => {
    for (let j = 0; j < d; j++) out[index * d + j] = (out[index * d + j] as number) + (rows[i * d + j] as number);
  });
}

function scatterEmbeddings(
  table: Float32Array,
  dh: Float32Array,
  tokens: Int32Array,
  { hiddenSize: d, embeddingScale }: ModelConfig,
): void {
  tokens.forEach((token, i) => {
    for (let j = 0; j < d; j++)
      table[token * d + j] = (table[token * d + j] as number) + embeddingScale * (dh[i * d + j] as number);
  });
}
