import { blockBackward, blockForward, type BlockShape } from './block.graph.ts';
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

/** Attention takes its queries in chunks of about this many tokens. */
const CHUNK_TOKENS = 256;
/** The head is run on so many rows at a time that their logits stay below this many numbers. */
const MAX_LOGITS = 1 << 23;

/** What the backward pass needs of a forward pass: the input of every block, and the last block's output. */
export interface Activations {
  readonly batch: TreeBatch;
  readonly hidden: readonly Tensor[];
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

  /** Runs every block; hidden states are [rows, length, d]. */
  async forward(batch: TreeBatch): Promise<Activations> {
    const geometry = this.#geometry(batch);
    const hidden: Tensor[] = [this.embed(batch.tokens, [batch.rows, batch.length])];
    for (let layer = 0; layer < this.config.layers; layer++) {
      const { kind, window } = this.#kind(layer);
      const outputs = await this.runtime.run(
        this.#key(`block-forward/${geometry.chunks}/${window}`),
        () => blockForward(this.#shape, { chunks: geometry.chunks, window }),
        { ...geometry.feeds(kind), ...this.layerWeights(layer), h: hidden[layer] as Tensor },
      );
      hidden.push(outputs.h_out as Tensor);
    }
    return { batch, hidden };
  }

  /** As forward, keeping each layer's keys and values [B, G, 1, T, K] and only the last hidden states. */
  async prefill(batch: TreeBatch): Promise<{ hidden: Tensor; caches: readonly { keys: Tensor; values: Tensor }[] }> {
    const geometry = this.#geometry(batch);
    let hidden = this.embed(batch.tokens, [batch.rows, batch.length]);
    const caches: { keys: Tensor; values: Tensor }[] = [];
    for (let layer = 0; layer < this.config.layers; layer++) {
      const { kind, window } = this.#kind(layer);
      const outputs = await this.runtime.run(
        this.#key(`block-prefill/${geometry.chunks}/${window}`),
        () => blockForward(this.#shape, { chunks: geometry.chunks, window, cache: true }),
        { ...geometry.feeds(kind), ...this.layerWeights(layer), h: hidden },
      );
      hidden = outputs.h_out as Tensor;
      caches.push({ keys: outputs.keys as Tensor, values: outputs.values as Tensor });
    }
    return { hidden, caches };
  }

  /** log p of each target. Only the targets' rows reach the vocabulary. */
  async targetLogps(activations: Activations): Promise<{ logps: Float32Array; hits: Uint8Array }> {
    return this.#score(activations, false);
  }

  /** As targetLogps, with the entropy and the mean logit of each row. */
  async targetStats(activations: Activations): Promise<TargetStatistics> {
    return this.#score(activations, true);
  }

  async #score({ batch: { targets }, hidden }: Activations, statistics: boolean): Promise<TargetStatistics> {
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
        { ...this.#headFeeds(hidden.at(-1) as Tensor, chunk), targets: targetTensor(chunk) },
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
  async backward({ batch, hidden }: Activations, dLogps: Float32Array, gradients: Gradients): Promise<void> {
    const { hiddenSize: d, layers } = this.config;
    const frozen = this.#shape.lora !== null;
    const trained = this.#shape.lora
      ? blockLoraParameters(this.config, this.#shape.lora)
      : blockParameters(this.config);
    const last = hidden.at(-1) as Tensor;
    const dHidden = new Float32Array(batch.rows * batch.length * d);
    const active = batch.targets
      .map((target, i) => ({ ...target, dLogp: dLogps[i] as number }))
      .filter(({ dLogp }) => dLogp !== 0);
    if (active.length === 0) return;
    for (const [from, to] of this.#headChunks(active.length)) {
      const chunk = active.slice(from, to);
      const outputs = await this.runtime.run(this.#key('head-backward'), () => headBackward(this.config, { frozen }), {
        ...this.#headFeeds(last, chunk),
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
    let dh = float32(dHidden, last.dims);
    for (let layer = layers - 1; layer >= 0; layer--) {
      const { kind, window } = this.#kind(layer);
      const outputs = await this.runtime.run(
        this.#key(`block-backward/${geometry.chunks}/${window}`),
        () => blockBackward(this.#shape, { chunks: geometry.chunks, window }),
        { ...geometry.feeds(kind), ...this.layerWeights(layer), h: hidden[layer] as Tensor, dh_out: dh },
      );
      for (const [name] of trained) accumulate(gradients, layerParameter(layer, name), floats(outputs, `d_${name}`));
      dh = outputs.dh as Tensor;
    }
    if (frozen) return;
    const table = gradients.get(EMBEDDING) ?? new Float32Array(this.config.vocabSize * d);
    gradients.set(EMBEDDING, table);
    scatterEmbeddings(table, dh.data as Float32Array, batch.tokens, this.config);
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

  #kind(layer: number): { kind: LayerKind; window: number | null } {
    const kind = layerKind(this.config, layer);
    return { kind, window: kind.slidingWindow };
  }

  #geometry(batch: TreeBatch): { chunks: number; feeds: (kind: LayerKind) => Record<string, Tensor> } {
    const { rows, length } = batch;
    const chunks = Math.max(1, Math.ceil(length / CHUNK_TOKENS));
    const size = Math.ceil(length / chunks);
    const sizes = Array.from({ length: chunks }, (_, i) => Math.max(0, Math.min(size, length - i * size)));
    const index = Int32Array.from({ length }, (_, i) => i);
    const shared = {
      prompt_end: int32(batch.promptEnd, [rows, 1, 1, length, 1]),
      branch_start: int32(batch.branchStart, [rows, 1, 1, length, 1]),
      query_index: int32(index, [1, 1, 1, length, 1]),
      key_index: int32(index, [1, 1, 1, 1, length]),
      chunks: int64(sizes, [chunks]),
    };
    const places = {
      query_position: int32(batch.positions, [rows, 1, 1, length, 1]),
      key_position: int32(batch.positions, [rows, 1, 1, 1, length]),
    };
    const feeds = new Map(
      this.config.layerKinds.map((kind) => [
        kind,
        {
          ...shared,
          ...this.rotary(kind, batch.positions, batch.sequenceLengths, length),
          ...(kind.slidingWindow === null ? {} : places),
        },
      ]),
    );
    return { chunks, feeds: (kind) => feeds.get(kind) as Record<string, Tensor> };
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
