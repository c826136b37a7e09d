import { blockBackward, blockForward } from './block.graph.ts';
import { headBackward, headPredict, headScore } from './head.graph.ts';
import type { ModelConfig } from './model-config.ts';
import { readModelFolder } from './model-folder.ts';
import { ModelError } from './model.error.ts';
import {
  blockParameters,
  EMBEDDING,
  FINAL_NORM,
  layerParameter,
  modelParameters,
  outputParameter,
} from './parameters.ts';
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

/** A decoder-only transformer run block by block on onnxruntime. Weights may be changed in place between runs. */
export class LanguageModel {
  readonly #weights: ReadonlyMap<string, Tensor>;
  readonly #rotary: { readonly cos: Float32Array; readonly sin: Float32Array }[] = [];

  constructor(
    readonly config: ModelConfig,
    weights: HostTensors,
    readonly runtime: Runtime,
  ) {
    this.#weights = new Map([...weights].map(([name, { dims, data }]) => [name, float32(data, dims)]));
  }

  static fromFolder(folder: string, runtime: Runtime): LanguageModel {
    const { config, weights } = readModelFolder(folder);
    return new LanguageModel(config, weights, runtime);
  }

  /** The parameters themselves, not a copy. */
  get weights(): Map<string, HostTensor> {
    return new Map(
      [...this.#weights].map(([name, tensor]) => [name, { dims: tensor.dims, data: tensor.data as Float32Array }]),
    );
  }

  /** Runs every block; hidden states are [rows, length, d]. */
  async forward(batch: TreeBatch): Promise<Activations> {
    const geometry = this.#geometry(batch);
    const hidden: Tensor[] = [this.embed(batch.tokens, [batch.rows, batch.length])];
    for (let layer = 0; layer < this.config.layers; layer++) {
      const outputs = await this.runtime.run(
        this.#key('block-forward', geometry.chunks),
        () => blockForward(this.config, { chunks: geometry.chunks }),
        { ...geometry.feeds, ...this.layerWeights(layer), h: hidden[layer] as Tensor },
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
      const outputs = await this.runtime.run(
        this.#key('block-prefill', geometry.chunks),
        () => blockForward(this.config, { chunks: geometry.chunks, cache: true }),
        { ...geometry.feeds, ...this.layerWeights(layer), h: hidden },
      );
      hidden = outputs.h_out as Tensor;
      caches.push({ keys: outputs.keys as Tensor, values: outputs.values as Tensor });
    }
    return { hidden, caches };
  }

  /** log p of each target, and whether it was the most likely token. Only the targets' rows reach the vocabulary. */
  async targetLogps({ batch, hidden }: Activations): Promise<{ logps: Float32Array; hits: Uint8Array }> {
    const { targets } = batch;
    const logps = new Float32Array(targets.length);
    const hits = new Uint8Array(targets.length);
    for (const [from, to] of this.#headChunks(targets.length)) {
      const chunk = targets.slice(from, to);
      const outputs = await this.runtime.run(this.#key('head-score'), () => headScore(this.config), {
        ...this.#headFeeds(hidden.at(-1) as Tensor, chunk),
        targets: targetTensor(chunk),
      });
      logps.set(floats(outputs, 'logps'), from);
      const argmax = outputs.argmax?.data as BigInt64Array;
      chunk.forEach(({ token }, i) => (hits[from + i] = Number(argmax[i]) === token ? 1 : 0));
    }
    return { logps, hits };
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
   * Adds to `gradients` the gradient of sum(dLogps * log p(target)) with respect to every parameter. Targets whose
   * derivative is 0 are left out.
   */
  async backward({ batch, hidden }: Activations, dLogps: Float32Array, gradients: Gradients): Promise<void> {
    const { hiddenSize: d, layers } = this.config;
    const last = hidden.at(-1) as Tensor;
    const dHidden = new Float32Array(batch.rows * batch.length * d);
    const active = batch.targets
      .map((target, i) => ({ ...target, dLogp: dLogps[i] as number }))
      .filter(({ dLogp }) => dLogp !== 0);
    if (active.length === 0) return;
    for (const [from, to] of this.#headChunks(active.length)) {
      const chunk = active.slice(from, to);
      const outputs = await this.runtime.run(this.#key('head-backward'), () => headBackward(this.config), {
        ...this.#headFeeds(last, chunk),
        targets: targetTensor(chunk),
        dlogps: float32(
          Float32Array.from(chunk, ({ dLogp }) => dLogp),
          [chunk.length, 1],
        ),
      });
      scatterRows(dHidden, floats(outputs, 'dh'), chunk, d);
      accumulate(gradients, FINAL_NORM, floats(outputs, 'd_norm'));
      accumulate(gradients, outputParameter(this.config), floats(outputs, 'd_table'));
    }

    const geometry = this.#geometry(batch);
    let dh = float32(dHidden, last.dims);
    for (let layer = layers - 1; layer >= 0; layer--) {
      const outputs = await this.runtime.run(
        this.#key('block-backward', geometry.chunks),
        () => blockBackward(this.config, { chunks: geometry.chunks }),
        { ...geometry.feeds, ...this.layerWeights(layer), h: hidden[layer] as Tensor, dh_out: dh },
      );
      for (const [name] of blockParameters(this.config))
        accumulate(gradients, layerParameter(layer, name), floats(outputs, `d_${name}`));
      dh = outputs.dh as Tensor;
    }
    const table = gradients.get(EMBEDDING) ?? new Float32Array(this.config.vocabSize * d);
    gradients.set(EMBEDDING, table);
    scatterEmbeddings(table, dh.data as Float32Array, batch.tokens, d);
  }

  /** Embeddings [..., d] of tokens. */
  embed(tokens: Int32Array, dims: readonly number[]): Tensor {
    const { hiddenSize: d, vocabSize } = this.config;
    const table = this.#weight(EMBEDDING).data as Float32Array;
    const out = new Float32Array(tokens.length * d);
    tokens.forEach((token, i) => {
      if (token < 0 || token >= vocabSize)
        throw new ModelError(
          `token ${token} is outside the vocabulary of ${vocabSize}; the tokenizer does not belong to this model`,
        );
      out.set(table.subarray(token * d, (token + 1) * d), i * d);
    });
    return float32(out, [...dims, d]);
  }

  layerWeights(layer: number): Record<string, Tensor> {
    return Object.fromEntries(
      blockParameters(this.config).map(([name]) => [name, this.#weight(layerParameter(layer, name))]),
    );
  }

  /** Cosines and sines [rows, length, 1, 1, K/2] of the rotary angles at positions. */
  rotary(positions: Int32Array, rows: number, length: number): { cos: Tensor; sin: Tensor } {
    const half = this.config.headSize / 2;
    const cos = new Float32Array(positions.length * half);
    const sin = new Float32Array(positions.length * half);
    positions.forEach((position, i) => {
      const angles = this.#angles(position);
      cos.set(angles.cos, i * half);
      sin.set(angles.sin, i * half);
    });
    const dims = [rows, length, 1, 1, half];
    return { cos: float32(cos, dims), sin: float32(sin, dims) };
  }

  #angles(position: number): { cos: Float32Array; sin: Float32Array } {
    let angles = this.#rotary[position];
    if (!angles) {
      const { headSize, ropeTheta } = this.config;
      const of = (f: (x: number) => number): Float32Array =>
        Float32Array.from({ length: headSize / 2 }, (_, i) => f(position * ropeTheta ** ((-2 * i) / headSize)));
      angles = { cos: of(Math.cos), sin: of(Math.sin) };
      this.#rotary[position] = angles;
    }
    return angles;
  }

  #geometry(batch: TreeBatch): { chunks: number; feeds: Record<string, Tensor> } {
    const { rows, length } = batch;
    const chunks = Math.max(1, Math.ceil(length / CHUNK_TOKENS));
    const size = Math.ceil(length / chunks);
    const sizes = Array.from({ length: chunks }, (_, i) => Math.max(0, Math.min(size, length - i * size)));
    const index = Int32Array.from({ length }, (_, i) => i);
    return {
      chunks,
      feeds: {
        ...this.rotary(batch.positions, rows, length),
        prompt_end: int32(batch.promptEnd, [rows, 1, 1, length, 1]),
        branch_start: int32(batch.branchStart, [rows, 1, 1, length, 1]),
        query_index: int32(index, [1, 1, 1, length, 1]),
        key_index: int32(index, [1, 1, 1, 1, length]),
        ...(chunks > 1 ? { chunks: int64(sizes, [chunks]) } : { chunks: int64([length], [1]) }),
      },
    };
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

  /** Graphs differ between architectures, so a shared runtime keeps them apart. */
  #key(graph: string, chunks = 1): string {
    return `${graph}/${chunks}/${JSON.stringify(this.config)}`;
  }
}

/** Names, shapes and zeros for every parameter, in their fixed order. */
export function zeroGradients(config: ModelConfig): Gradients {
  return new Map(
    modelParameters(config).map(([name, dims]) => [
      name,
      new Float32Array(dims.reduce((product, dim) => product * dim, 1)),
    ]),
  );
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

function scatterEmbeddings(table: Float32Array, dh: Float32Array, tokens: Int32Array, d: number): void {
  tokens.forEach((token, i) => {
    for (let j = 0; j < d; j++) table[token * d + j] = (table[token * d + j] as number) + (dh[i * d + j] as number);
  });
}
