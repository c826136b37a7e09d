import { attentionBackward, attentionForward, CHUNK_COLUMNS, joinTokens } from './attention.graph.ts';
import {
  finishBackward,
  finishForward,
  projectBackward,
  projectForward,
  type FINISH_ACTIVATIONS,
  type BlockShape,
} from './block.graph.ts';
import { sumsSoFar, type Gradients } from './gradients.ts';
import { addToRows, embed, embedBackward, headBackward, headDraw, headPredict, headScore } from './head.graph.ts';
import { layerBackward, layersForward, type LayersWanted } from './layers.graph.ts';
import { blockLoraParameters, type LoraOptions } from './lora.ts';
import { layerKind, type LayerKind, type ModelConfig } from './model-config.ts';
import { packWeight, type FrozenWeights, type StoredTensors } from './frozen-weights.ts';
import { readStoredFolder } from './model-folder.ts';
import { ModelError } from './model.error.ts';
import {
  blockParameters,
  EMBEDDING,
  FINAL_NORM,
  layerParameter,
  outputParameter,
  storedBlockParameters,
} from './parameters.ts';
import { ParameterStore } from './parameter-store.ts';
import { RotaryTable, sharedPromptLimit } from './rotary.ts';
import type { Feeds, Outputs, Runtime, Weights } from './runtime.ts';
import type { HostTensor, HostTensors } from './safetensors.ts';
import { Scope } from './scope.ts';
import { lookupFeeds, pieceNames, placesInPieces, type PlacesInPiece } from './table-pieces.ts';
import { bytesOf, float32, hostFloats, hostIntegers, int64, type Tensor } from './tensor.ts';
import { TokenDistribution, type DrawOptions } from './token-distribution.ts';
import { outputIndex, type Target, type TreeBatch } from './tree-batch.ts';

const QUERY_CHUNK = 256;
const MIN_QUERY_CHUNK = 32;
/** The head is run on so many rows at a time that their logits stay below this many numbers. */
const MAX_LOGITS = 1 << 25;

export interface LanguageModelOptions {
  /** Attention takes its queries in chunks of so many tokens. Default 256. */
  readonly queryChunk?: number;
  /**
   * What the backward pass computes again: `all` keeps only each block's input, `none` keeps what it reads (its products
   * too), `auto` (the default) keeps that for as many of the last blocks as fit into half of the memory that is available. The
   * numbers are the same, bit by bit. Where weights live in sessions (see `Runtime`) it is always `all`.
   */
  readonly recompute?: 'auto' | 'all' | 'none';
  /**
   * How the linear layers' weights are kept: half the memory as float16, a quarter as int8 with a scale an output. The products are
   * in float32 all the same. Only for what trains an adapter, or nothing. Default float32.
   */
  readonly frozenWeights?: FrozenWeights;
  /**
   * Nothing of the model is trained, and its weights are not changed in place: they may live in sessions
   * (`weightsInSessions`). Under an adapter, and in a lower format, the weights are frozen anyway. Default false.
   */
  readonly frozen?: boolean;
}

/**
 * What a forward pass leaves: the last block's output [rows, length - readFrom, d] and, for the backward pass, what each
 * block needs. On a device it takes memory until it is freed; the backward pass frees the blocks' as it goes.
 */
export interface Activations {
  readonly batch: TreeBatch;
  readonly output: Tensor;
  readonly layers: readonly LayerActivations[];
  /** Under a frozen head, as soon as known: the gradient of each target's log p, [targets, d] in chunks. */
  readonly headGradients: Tensor[];
  readonly scope: Scope;
  free(): void;
}

interface LayerActivations {
  /** The block's input. */
  readonly h: Tensor;
  /** Null: computed again. */
  readonly kept: Kept | null;
}

/** `h_some`: of the block's input, the tokens whose output it makes; absent where these are all. */
type Projected = Readonly<Record<'queries' | 'keys' | 'values', Tensor> & { h_some?: Tensor }>;
type Kept = Projected & Readonly<Record<'mixed' | (typeof FINISH_ACTIVATIONS)[number], Tensor>>;

/** The feeds that a batch's layers of a kind share: of the token axis, and the ranges of each chunk of queries. */
interface TokenGeometry {
  /** Of which tokens the layer makes its output. */
  readonly outputs: 'all' | 'some';
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly window: number | null;
  readonly chunks: readonly Readonly<Record<(typeof CHUNK_COLUMNS)[number], Tensor>>[];
}

/** Tensors as a run takes them: those that are fed, and those that never change. */
interface RunWeights {
  readonly feeds: Feeds;
  readonly weights: Weights | undefined;
}

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

/**
 * A decoder-only transformer run block by block on onnxruntime. Weights go to the device with the first run; where there
 * is none they may be changed in place between runs, unless they are frozen.
 */
export class LanguageModel {
  readonly #weights: ParameterStore;
  readonly #adapter: ParameterStore;
  readonly #shape: BlockShape;
  /** Whether the weights, the adapter's matrices aside, never change. */
  readonly #frozen: boolean;
  readonly #key: (graph: string) => string;
  readonly #rotary: ReadonlyMap<LayerKind, RotaryTable>;

  constructor(
    readonly config: ModelConfig,
    weights: StoredTensors | ParameterStore,
    readonly runtime: Runtime,
    adapter: Adapter | null = null,
    readonly options: LanguageModelOptions = {},
  ) {
    const { frozenWeights = 'float32' } = options;
    if (frozenWeights === 'int8' && runtime.device === 'webgpu')
      throw new ModelError(
        'frozenWeights int8 is not supported on device webgpu, which has no 8-bit tensors; choose float16, or device cpu',
      );
    this.#weights =
      weights instanceof ParameterStore
        ? weights
        : new ParameterStore(
            runtime,
            new Map([...weights].map(([name, tensor]) => [name, packWeight(name, tensor, frozenWeights)])),
          );
    this.#adapter = new ParameterStore(runtime, adapter?.weights ?? new Map());
    this.#shape = {
      config,
      lora: adapter?.options ?? null,
      ...(frozenWeights !== 'float32' && { frozenWeights }),
      ...(frozenWeights === 'float16' && runtime.halfProducts && { products: 'float16' }),
    };
    this.#frozen = adapter !== null || frozenWeights !== 'float32' || options.frozen === true;
    // Graphs differ between architectures and adapters, so a shared runtime keeps them apart.
    const shape = JSON.stringify(this.#shape);
    this.#key = (graph) => `${graph} ${shape}`;
    this.#rotary = new Map(config.layerKinds.map((kind) => [kind, new RotaryTable(config.headSize, kind)]));
  }

  static fromFolder(folder: string, runtime: Runtime, options: LanguageModelOptions = {}): LanguageModel {
    const { config, weights } = readStoredFolder(folder, options.frozenWeights ?? 'float32');
    return new LanguageModel(config, weights, runtime, null, options);
  }

  /** The parameters themselves, not a copy, without those of a lower format; only where there is no device. */
  get weights(): Map<string, HostTensor> {
    return this.#weights.host;
  }

  /** What training changes: the adapter's matrices, or every parameter. @throws ModelError where these are frozen */
  get trained(): ParameterStore {
    const { lora, frozenWeights } = this.#shape;
    if (lora) return this.#adapter;
    if (this.options.frozen) throw new ModelError('this model was made as frozen: make it without that to train it');
    if (frozenWeights)
      throw new ModelError(
        `with frozenWeights ${frozenWeights} a model's own parameters cannot be trained; train an adapter (adapter: { kind: lora }), or leave frozenWeights at float32`,
      );
    return this.#weights;
  }

  /** What training changes, in this process's memory: the tensors themselves; only where there is no device. */
  get trainable(): Map<string, HostTensor> {
    return this.trained.host;
  }

  /** The same weights, which are not copied, under an adapter. */
  withAdapter(adapter: Adapter): LanguageModel {
    return new LanguageModel(this.config, this.#weights, this.runtime, adapter, this.options);
  }

  /**
   * Gives back the adapter's memory on the device, and that of the weights, with the sessions that hold some. The model is not used
   * afterwards; without `weights` others that share them are.
   */
  async free({ weights = true } = {}): Promise<void> {
    await this.#adapter.free();
    if (!weights) return;
    await this.runtime.releaseSessions(this.#weights);
    await this.#weights.free();
  }

  get shape(): BlockShape {
    return this.#shape;
  }

  /** Runs every block, and keeps what the backward pass needs. */
  async forward(batch: TreeBatch): Promise<Activations> {
    if (this.#inSessions) return this.#forwardInSessions(batch);
    const firstKept = this.config.layers - this.#layersKept(batch);
    const layers: LayerActivations[] = [];
    return this.#activations(batch, layers, async (scope) => {
      const geometry = await this.#geometry(batch, scope);
      let h = await this.embed(scope, batch.tokens, [batch.rows, batch.length]);
      for (let layer = 0; layer < this.config.layers; layer++) {
        const keeps = layer >= firstKept;
        const { output, ...kept } = await this.#block(scope, layer, h, geometry(layer), { activations: keeps });
        layers.push({ h, kept: keeps ? (kept as Kept) : null });
        if (!keeps) scope.free(...Object.values(kept));
        h = output;
      }
      return h;
    });
  }

  /** Runs every block for its output alone; nothing is kept for a backward pass. */
  async infer(batch: TreeBatch): Promise<Activations> {
    if (this.#inSessions)
      return this.#activations(batch, [], (scope) =>
        this.#throughSessions(scope, batch, 'output', (_range, h) => scope.free(h)),
      );
    return this.prefill(batch, () => []);
  }

  /**
   * As infer; `onLayer` is given each layer's queries [rows, length, G, R, K], and keys and values [rows, G, length, K], and
   * says which of them to keep. The last layer's queries begin at the batch's `readFrom`.
   */
  async prefill(batch: TreeBatch, onLayer: (projected: Projected) => readonly Tensor[]): Promise<Activations> {
    if (this.#inSessions) return this.#prefillInSessions(batch, onLayer);
    return this.#activations(batch, [], async (scope) => {
      const geometry = await this.#geometry(batch, scope);
      let h = await this.embed(scope, batch.tokens, [batch.rows, batch.length]);
      for (let layer = 0; layer < this.config.layers; layer++) {
        const { output, ...rest } = await this.#block(scope, layer, h, geometry(layer), { activations: false });
        const kept = onLayer(rest);
        scope.free(h, ...Object.values(rest).filter((tensor) => !kept.includes(tensor)));
        h = output;
      }
      return h;
    });
  }

  /** Whether the weights live in sessions of whole layers: then hidden states are all that goes from run to run. */
  get #inSessions(): boolean {
    return this.#frozen && this.runtime.weightsInSessions;
  }

  /** As forward; every block is computed again. */
  async #forwardInSessions(batch: TreeBatch): Promise<Activations> {
    const layers: LayerActivations[] = [];
    return this.#activations(batch, layers, (scope) =>
      this.#throughSessions(scope, batch, 'inputs', ([from, to], input, outputs) => {
        for (let layer = from; layer < to; layer++)
          layers.push({ h: layer === from ? input : (outputs[`h_${layer}`] as Tensor), kept: null });
      }),
    );
  }

  async #prefillInSessions(
    batch: TreeBatch,
    onLayer: (projected: Projected) => readonly Tensor[],
  ): Promise<Activations> {
    return this.#activations(batch, [], (scope) =>
      this.#throughSessions(scope, batch, 'projected', ([from, to], input, outputs) => {
        scope.free(input);
        for (let layer = from; layer < to; layer++) {
          const ofLayer = (name: string): Tensor => outputs[`${name}_${layer}`] as Tensor;
          const projected = { queries: ofLayer('queries'), keys: ofLayer('keys'), values: ofLayer('values') };
          const kept = onLayer(projected);
          scope.free(...Object.values(projected).filter((tensor) => !kept.includes(tensor)));
        }
      }),
    );
  }

  /** Runs every session of layers; `onSession` is given its layers, the first one's input, and what came out. */
  async #throughSessions(
    scope: Scope,
    batch: TreeBatch,
    wanted: LayersWanted,
    onSession: (layers: readonly [from: number, to: number], input: Tensor, outputs: Outputs) => void,
  ): Promise<Tensor> {
    const geometry = await this.#geometry(batch, scope);
    let h = await this.embed(scope, batch.tokens, [batch.rows, batch.length]);
    for (const [from, to] of await this.#sessionRanges()) {
      const { feeds, weights } = await this.#rangeWeights(from, to);
      const outputs = await scope.run(
        this.#key(`layers-forward ${from}-${to} ${wanted}`),
        () => layersForward(this.#shape, [from, to], wanted),
        { ...feeds, ...this.#rangeFeeds(from, to, geometry), h },
        [],
        weights,
      );
      onSession([from, to], h, outputs);
      h = outputs.h_out as Tensor;
    }
    return h;
  }

  /** Consecutive layers, as many to a session as its bound of bytes allows. */
  async #sessionRanges(): Promise<readonly (readonly [from: number, to: number])[]> {
    const ranges: [number, number][] = [];
    let room = 0;
    for (let layer = 0; layer < this.config.layers; layer++) {
      const { weights } = await this.layerWeights(layer);
      const bytes = Object.values(weights?.tensors ?? {}).reduce((sum, tensor) => sum + bytesOf(tensor), 0);
      const range = ranges.at(-1);
      if (range && bytes <= room) range[1] = layer + 1;
      else {
        ranges.push([layer, layer + 1]);
        room = this.runtime.maxSessionWeightBytes;
      }
      room -= bytes;
    }
    return ranges;
  }

  /** The weights of consecutive layers, by their names in the model. */
  async #rangeWeights(from: number, to: number): Promise<RunWeights> {
    const feeds: Record<string, Tensor> = {};
    const tensors: Record<string, Tensor> = {};
    for (let layer = from; layer < to; layer++) {
      const ofLayer = await this.layerWeights(layer);
      for (const [name, tensor] of Object.entries(ofLayer.feeds)) feeds[layerParameter(layer, name)] = tensor;
      for (const [name, tensor] of Object.entries(ofLayer.weights?.tensors ?? {}))
        tensors[layerParameter(layer, name)] = tensor;
    }
    return { feeds, weights: { owner: this.#weights, part: `layers ${from}-${to}`, tensors } };
  }

  /** What a session of layers reads of the batch beside h. */
  #rangeFeeds(from: number, to: number, geometry: (layer: number) => TokenGeometry): Feeds {
    const { cos: _cos, sin: _sin, ...shared } = geometry(to - 1).feeds;
    const feeds: Record<string, Tensor> = { ...shared };
    for (let layer = from; layer < to; layer++) {
      const kind = this.config.kindOfLayer[layer] as number;
      const { feeds: ofLayer, chunks, outputs } = geometry(layer);
      feeds[`cos_${kind}`] = ofLayer['cos'] as Tensor;
      feeds[`sin_${kind}`] = ofLayer['sin'] as Tensor;
      feeds[outputs === 'some' ? 'last_chunks' : 'chunks'] = chunkTable(chunks);
    }
    return feeds;
  }

  async #activations(
    batch: TreeBatch,
    layers: readonly LayerActivations[],
    run: (scope: Scope) => Promise<Tensor>,
  ): Promise<Activations> {
    const scope = new Scope(this.runtime);
    try {
      return { batch, output: await run(scope), layers, headGradients: [], scope, free: () => scope.close() };
    } catch (error) {
      scope.close();
      throw error;
    }
  }

  async #block(
    scope: Scope,
    layer: number,
    h: Tensor,
    geometry: TokenGeometry,
    { activations }: { activations: boolean },
  ): Promise<Projected & { readonly mixed: Tensor; readonly output: Tensor } & Partial<Kept>> {
    const projected = await this.#project(scope, layer, h, geometry);
    const mixed = await this.#attend(scope, projected, geometry);
    const finished = await this.#finish(scope, layer, projected.h_some ?? h, mixed, { output: true, activations });
    const { h_out: output, ...rest } = finished;
    return { ...projected, ...rest, mixed, output: output as Tensor };
  }

  async #project(scope: Scope, layer: number, h: Tensor, geometry: TokenGeometry): Promise<Projected> {
    const { outputs } = geometry;
    const { feeds, weights } = await this.layerWeights(layer);
    return (await scope.run(
      this.#key(`project-forward ${outputs}`),
      () => projectForward(this.#shape, { outputs }),
      { ...geometry.feeds, ...feeds, h },
      [],
      weights,
    )) as Outputs & Projected;
  }

  async #attend(scope: Scope, projected: Projected, geometry: TokenGeometry): Promise<Tensor> {
    const { heads, headSize } = this.config;
    const pieces: Tensor[] = [];
    for (const range of geometry.chunks) {
      const { mixed } = await scope.run(
        this.#key(`attention-forward ${geometry.window}`),
        () => attentionForward(this.config, geometry.window),
        { ...geometry.feeds, ...range, ...projected },
      );
      pieces.push(mixed as Tensor);
    }
    return this.#join(scope, pieces, (tokens) => ['B', tokens, heads * headSize]);
  }

  async #finish(
    scope: Scope,
    layer: number,
    h: Tensor,
    mixed: Tensor,
    wanted: { readonly output: boolean; readonly activations: boolean },
  ): Promise<Outputs> {
    const { feeds, weights } = await this.layerWeights(layer);
    return scope.run(
      this.#key(`finish-forward ${JSON.stringify(wanted)}`),
      () => finishForward(this.#shape, wanted),
      { ...feeds, h, mixed },
      [],
      weights,
    );
  }

  /** Pieces along the token axis, joined; they are freed. */
  async #join(
    scope: Scope,
    pieces: readonly Tensor[],
    shape: (tokens: string) => (number | string)[],
  ): Promise<Tensor> {
    if (pieces.length === 1) return pieces[0] as Tensor;
    const { whole } = await scope.run(
      this.#key(`join-tokens ${pieces.length} ${shape('T').join()}`),
      () => joinTokens(pieces.length, shape),
      Object.fromEntries(pieces.map((piece, i) => [`piece_${i}`, piece])),
    );
    scope.free(...pieces);
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

  async #score(activations: Activations, statistics: boolean): Promise<TargetStatistics> {
    const { batch, output, scope, headGradients } = activations;
    const { targets } = batch;
    // One pass over the vocabulary gives what the backward pass will ask of a frozen head, too.
    const gradients = this.#shape.lora !== null && activations.layers.length > 0 && headGradients.length === 0;
    const column = (): Float32Array => new Float32Array(statistics ? targets.length : 0);
    const result = {
      logps: new Float32Array(targets.length),
      hits: new Uint8Array(targets.length),
      entropies: column(),
      meanLogits: column(),
    };
    const fetched = ['logps', 'argmax', ...(statistics ? ['entropies', 'mean_logits'] : [])];
    const wanted = { statistics, gradients };
    const { pieces } = await this.#table(outputParameter(this.config));
    for (const [from, to] of this.#headChunks(targets.length)) {
      const chunk = targets.slice(from, to);
      const { feeds, weights } = await this.#headFeeds(output, placesOf(batch, chunk));
      const ids = Int32Array.from(chunk, ({ token }) => token);
      const outputs = await scope.run(
        this.#key(`head-score ${JSON.stringify(wanted)} ${pieces.join()}`),
        () => headScore(this.config, wanted, pieces),
        {
          ...feeds,
          ...(gradients ? lookupFeeds(ids, [ids.length], pieces) : {}),
          targets: targetTensor(chunk),
        },
        fetched,
        weights,
      );
      if (gradients) headGradients.push(outputs.d_logps as Tensor);
      result.logps.set(hostFloats(outputs.logps as Tensor), from);
      const argmax = hostIntegers(outputs.argmax as Tensor);
      chunk.forEach(({ token }, i) => (result.hits[from + i] = Number(argmax[i]) === token ? 1 : 0));
      if (!statistics) continue;
      result.entropies.set(hostFloats(outputs.entropies as Tensor), from);
      result.meanLogits.set(hostFloats(outputs.mean_logits as Tensor), from);
    }
    return result;
  }

  /** The most likely next token, or all logits, after the hidden states at the given places (row * columns + column). */
  async predict(hidden: Tensor, indices: readonly number[], output: 'logits'): Promise<Float32Array>;
  async predict(hidden: Tensor, indices: readonly number[], output: 'argmax'): Promise<BigInt64Array>;
  async predict(
    hidden: Tensor,
    indices: readonly number[],
    output: 'logits' | 'argmax',
  ): Promise<Float32Array | BigInt64Array> {
    const { pieces } = await this.#table(outputParameter(this.config));
    const { feeds, weights } = await this.#headFeeds(hidden, indices);
    const outputs = await this.runtime.run(
      this.#key(`head-${output} ${pieces.join()}`),
      () => headPredict(this.config, output, pieces),
      feeds,
      [output],
      weights,
    );
    const tensor = outputs[output] as Tensor;
    return output === 'logits' ? hostFloats(tensor) : hostIntegers(tensor);
  }

  /** What the next token is drawn from after the hidden states at the given places. */
  async distributions(
    hidden: Tensor,
    indices: readonly number[],
    options: DrawOptions,
  ): Promise<readonly TokenDistribution[]> {
    const size = this.config.vocabSize;
    const distributions: TokenDistribution[] = [];
    const { pieces } = await this.#table(outputParameter(this.config));
    for (const [from, to] of this.#headChunks(indices.length)) {
      const chunk = indices.slice(from, to);
      const { feeds, weights } = await this.#headFeeds(hidden, chunk);
      const outputs = await this.runtime.run(
        this.#key(`head-draw ${pieces.join()}`),
        () => headDraw(this.config, pieces),
        { ...feeds, temperature: float32(Float32Array.of(options.temperature), [1]) },
        ['weights', 'log_totals'],
        weights,
      );
      const drawn = hostFloats(outputs.weights as Tensor);
      hostFloats(outputs.log_totals as Tensor).forEach((logTotal, i) =>
        distributions.push(new TokenDistribution(drawn.subarray(i * size, (i + 1) * size), logTotal, options)),
      );
    }
    return distributions;
  }

  /**
   * Adds to `gradients` the gradient of sum(dLogps * log p(target)) with respect to what is trainable. Targets whose
   * derivative is 0 are left out. What the activations kept of the blocks is freed.
   */
  async backward(activations: Activations, dLogps: Float32Array, gradients: Gradients): Promise<void> {
    const { batch, layers, scope: tapeScope } = activations;
    const frozen = this.#shape.lora !== null;
    if (dLogps.every((dLogp) => dLogp === 0)) return;
    await this.runtime.scoped(async (scope) => {
      let dh = frozen
        ? await this.#frozenHeadBackward(scope, activations, dLogps)
        : await this.#headBackward(scope, activations, dLogps, gradients);
      const geometry = await this.#geometry(batch, scope);
      const tape = [...layers];
      for (let layer = this.config.layers - 1; layer >= 0; layer--) {
        // Taken off the tape: what a block kept is let go as soon as the block is done.
        const { h, kept } = tape.pop() as LayerActivations;
        dh = this.#inSessions
          ? await this.#layerBackward(scope, layer, h, dh, geometry(layer), gradients)
          : await this.#blockBackward(scope, layer, { h, kept }, dh, geometry(layer), gradients);
        if (kept) tapeScope.free(...Object.values(kept));
        tapeScope.free(h);
      }
      if (!frozen) await this.#embedBackward(scope, batch, dh, gradients);
    });
  }

  /** The gradient of the last block's output [rows, length - readFrom, d], from that of each log p. */
  async #frozenHeadBackward(scope: Scope, activations: Activations, dLogps: Float32Array): Promise<Tensor> {
    const { batch, output, headGradients } = activations;
    if (headGradients.length === 0) await this.#score(activations, false);
    const { hiddenSize: d } = this.config;
    const onDevice = this.runtime.keepsOnDevice;
    let dHidden = zerosLike(output);
    if (onDevice) dHidden = await scope.upload(dHidden);
    for (const [i, [from, to]] of this.#headChunks(batch.targets.length).entries()) {
      const rows = headGradients[i] as Tensor;
      const places = placesOf(batch, batch.targets.slice(from, to));
      const factors = dLogps.slice(from, to);
      if (!onDevice) {
        addRows(hostFloats(dHidden), hostFloats(rows), places, factors, d);
        continue;
      }
      const { sum_out } = await scope.run(this.#key('add-to-rows'), () => addToRows(this.config), {
        sum: dHidden,
        rows: int64(places, [places.length]),
        updates: rows,
        factors: float32(factors, [places.length, 1]),
      });
      scope.free(dHidden);
      dHidden = sum_out as Tensor;
    }
    return dHidden;
  }

  /** The gradient of the last block's output [rows, length - readFrom, d], and those of the head. */
  async #headBackward(
    scope: Scope,
    { batch, output }: Activations,
    dLogps: Float32Array,
    gradients: Gradients,
  ): Promise<Tensor> {
    const { hiddenSize: d } = this.config;
    const active = batch.targets
      .map((target, i) => ({ ...target, dLogp: dLogps[i] as number }))
      .filter(({ dLogp }) => dLogp !== 0);
    const { pieces, names: ofTable } = await this.#table(outputParameter(this.config));
    const names = [['norm', FINAL_NORM] as const, ...ofTable];
    const onDevice = this.runtime.keepsOnDevice;
    let dHidden = onDevice ? null : zerosLike(output);
    for (const [from, to] of this.#headChunks(active.length)) {
      const chunk = active.slice(from, to);
      // On the processor rows are added in order, one thread: its own operator adds repeated rows in any order.
      const scatter = !onDevice ? 'rows' : dHidden ? 'add' : 'first';
      const add = ofTable.every(([, name]) => gradients.has(name));
      const places = placesOf(batch, chunk);
      const { feeds, weights } = await this.#headFeeds(output, places);
      const outputs = await scope.run(
        this.#key(`head-backward ${scatter} ${add} ${pieces.join()}`),
        () => headBackward(this.config, { add, scatter }, pieces),
        {
          ...feeds,
          targets: targetTensor(chunk),
          dlogps: float32(
            Float32Array.from(chunk, ({ dLogp }) => dLogp),
            [chunk.length, 1],
          ),
          ...(dHidden ? { d_hidden_sum: dHidden } : {}),
          ...(add ? sumsSoFar(gradients, names) : {}),
        },
        [],
        weights,
      );
      if (!onDevice) addRows(hostFloats(dHidden as Tensor), hostFloats(outputs.dh as Tensor), places, null, d);
      else {
        if (dHidden) scope.free(dHidden);
        dHidden = outputs.d_hidden as Tensor;
      }
      this.#collect(scope, gradients, names, outputs);
    }
    return dHidden as Tensor;
  }

  /** Piece by piece: no more than one is there twice. */
  async #embedBackward(scope: Scope, batch: TreeBatch, dh: Tensor, gradients: Gradients): Promise<void> {
    const pieces = await this.#weights.pieces(EMBEDDING);
    const places = placesInPieces(
      batch.tokens,
      pieces.map(([, { dims }]) => dims[0] as number),
    );
    for (const [i, [name, piece]] of pieces.entries()) {
      const { rows, inside } = places[i] as PlacesInPiece;
      const table = gradients.get(name) ?? (await this.runtime.upload(zerosLike(piece)));
      gradients.set(name, table);
      if (!this.runtime.keepsOnDevice) {
        scatterEmbeddings(hostFloats(table), hostFloats(dh), { rows, inside }, this.config);
        continue;
      }
      const [size] = piece.dims;
      const { d_table_out } = await scope.run(
        this.#key(`embed-backward ${size}`),
        () => embedBackward(this.config, size),
        {
          d_table: table,
          dh,
          tokens: int64(rows, [batch.rows, batch.length]),
          inside: float32(inside, [batch.rows, batch.length, 1]),
        },
      );
      gradients.set(name, scope.release(d_table_out as Tensor));
      this.runtime.free(table);
    }
  }

  /** As blockBackward, in one session; sums are made here, so that none of them crosses the bus. */
  async #layerBackward(
    outer: Scope,
    layer: number,
    h: Tensor,
    dOutput: Tensor,
    { outputs, window, feeds: ofTokens, chunks }: TokenGeometry,
    gradients: Gradients,
  ): Promise<Tensor> {
    return this.runtime.scoped(async (scope) => {
      const { feeds, weights } = await this.layerWeights(layer);
      const { dh, ...given } = await scope.run(
        this.#key(`layer-backward ${outputs} ${window}`),
        () => layerBackward(this.#shape, { outputs, window }),
        { ...ofTokens, ...feeds, chunks: chunkTable(chunks), h, dh_out: dOutput },
        [],
        weights,
      );
      outer.free(dOutput);
      for (const [name, parameter] of this.#trainedOf(layer)) {
        const gradient = scope.release(given[`d_${name}`] as Tensor);
        const sum = gradients.get(parameter);
        if (sum) addTo(hostFloats(sum), hostFloats(gradient));
        else gradients.set(parameter, gradient);
      }
      return outer.own(scope.release(dh as Tensor));
    });
  }

  /** dh' -> dh of one block; adds the gradients of what is trained in it. */
  async #blockBackward(
    outer: Scope,
    layer: number,
    { h, kept }: LayerActivations,
    dOutput: Tensor,
    geometry: TokenGeometry,
    gradients: Gradients,
  ): Promise<Tensor> {
    const { heads, kvHeads, headSize } = this.config;
    const { outputs } = geometry;
    return this.runtime.scoped(async (scope) => {
      const { queries, keys, values, h_some, mixed, ...finished } =
        kept ?? (await this.#recompute(scope, layer, h, geometry));
      const { feeds, weights } = await this.layerWeights(layer);
      const trained = this.#trainedOf(layer);
      const add = trained.every(([, name]) => gradients.has(name));
      const summed = add ? sumsSoFar(gradients, trained) : {};
      const finish = await scope.run(
        this.#key(`finish-backward ${add}`),
        () => finishBackward(this.#shape, { add }),
        { ...feeds, ...finished, mixed, ...summed, h: h_some ?? h, dh_out: dOutput },
        [],
        weights,
      );
      outer.free(dOutput);
      if (!kept) scope.free(...Object.values(finished));

      let sums: Record<string, Tensor> = {};
      const dQueries: Tensor[] = [];
      for (const range of geometry.chunks) {
        const add = dQueries.length > 0;
        const past = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [`${name}_sum`, sum]));
        const { d_queries_chunk, ...more } = await scope.run(
          this.#key(`attention-backward ${geometry.window} ${add}`),
          () => attentionBackward(this.config, geometry.window, { add }),
          { ...geometry.feeds, ...range, ...past, queries, keys, values, mixed, d_mixed: finish.d_mixed as Tensor },
        );
        scope.free(...Object.values(sums));
        dQueries.push(d_queries_chunk as Tensor);
        sums = more;
      }

      const project = await scope.run(
        this.#key(`project-backward ${outputs} ${add}`),
        () => projectBackward(this.#shape, { outputs, add }),
        {
          ...geometry.feeds,
          ...feeds,
          ...summed,
          h,
          d_queries: await this.#join(scope, dQueries, (tokens) => ['B', tokens, kvHeads, heads / kvHeads, headSize]),
          ...sums,
          dh_past: finish.dh_past as Tensor,
        },
        [],
        weights,
      );
      // Only now: both parts' sums, or neither.
      this.#collect(scope, gradients, trained, { ...finish, ...project });
      return outer.own(scope.release(project.dh as Tensor));
    });
  }

  async #recompute(scope: Scope, layer: number, h: Tensor, geometry: TokenGeometry): Promise<Kept> {
    const projected = await this.#project(scope, layer, h, geometry);
    const mixed = await this.#attend(scope, projected, geometry);
    const finished = await this.#finish(scope, layer, projected.h_some ?? h, mixed, {
      output: false,
      activations: true,
    });
    return { ...projected, mixed, ...finished } as Kept;
  }

  /** What is trained in a block: its name in the graphs, and in the model. */
  #trainedOf(layer: number): readonly (readonly [inGraph: string, inModel: string])[] {
    const { lora } = this.#shape;
    const trained = lora ? blockLoraParameters(this.config, lora) : blockParameters(this.config);
    return trained.map(([name]) => [name, layerParameter(layer, name)]);
  }

  /** Takes the gradients that a graph gave, `d_NAME`, over from the scope; they hold what was summed before. */
  #collect(
    scope: Scope,
    gradients: Gradients,
    trained: readonly (readonly [inGraph: string, inModel: string])[],
    outputs: Outputs,
  ): void {
    for (const [name, parameter] of trained) {
      const gradient = outputs[`d_${name}`];
      if (!gradient) continue;
      const past = gradients.get(parameter);
      gradients.set(parameter, scope.release(gradient));
      if (past) this.runtime.free(past);
    }
  }

  /** Queries a chunk: a chunk's scores and their gradients take no more than a small part of the device's memory. */
  #queryChunk(rows: number, length: number): number {
    const chosen = this.options.queryChunk ?? QUERY_CHUNK;
    const bytesPerQuery = 4 * 4 * rows * this.config.heads * length;
    const fitting = Math.floor(this.runtime.memoryBytes / 8 / bytesPerQuery);
    return Math.max(Math.min(chosen, MIN_QUERY_CHUNK), Math.min(chosen, fitting));
  }

  /** How many of the last blocks keep what their backward pass reads. */
  #layersKept({ rows, length }: TreeBatch): number {
    const { recompute = 'auto' } = this.options;
    const { layers, heads, kvHeads, headSize, hiddenSize, intermediateSize } = this.config;
    if (recompute !== 'auto') return recompute === 'none' ? layers : 0;
    const floatsPerToken = 2 * heads * headSize + 2 * kvHeads * headSize + hiddenSize + 2 * intermediateSize;
    const layerBytes = 4 * rows * length * floatsPerToken;
    return Math.min(layers, Math.floor(this.runtime.freeBytes / 2 / layerBytes));
  }

  /** Embeddings [..., d] of tokens. */
  async embed(scope: Scope, tokens: Int32Array, dims: readonly [number, number]): Promise<Tensor> {
    const { vocabSize } = this.config;
    const outside = tokens.find((token) => token < 0 || token >= vocabSize);
    if (outside !== undefined)
      throw new ModelError(
        `token ${outside} is outside the vocabulary of ${vocabSize}; the tokenizer does not belong to this model`,
      );
    const { pieces, feeds: table } = await this.#table(EMBEDDING);
    const { feeds, weights } = this.#asGiven('embedding', table);
    const { h } = await scope.run(
      this.#key(`embed ${pieces.join()}`),
      () => embed(this.config, pieces),
      { ...feeds, ...lookupFeeds(tokens, dims, pieces), tokens: int64(tokens, dims) },
      [],
      weights,
    );
    return h as Tensor;
  }

  /** Frozen weights as such; others are fed. */
  #asGiven(part: string, tensors: Feeds): RunWeights {
    if (!this.#frozen) return { feeds: tensors, weights: undefined };
    return { feeds: {}, weights: { owner: this.#weights, part, tensors } };
  }

  /** A layer's weights and adapter matrices, by the names of its graphs' inputs. */
  async layerWeights(layer: number): Promise<RunWeights> {
    const { lora, frozenWeights = 'float32' } = this.#shape;
    const [weights, adapter] = [await this.#weights.placed(), await this.#adapter.placed()];
    const named = (
      parameters: readonly (readonly [name: string, ...unknown[]])[],
      tensors: ReadonlyMap<string, Tensor>,
    ) => parameters.map(([name]) => [name, required(tensors, layerParameter(layer, name))] as const);
    const base = Object.fromEntries(named(storedBlockParameters(this.config, frozenWeights), weights));
    const given = this.#asGiven(`layer ${layer}`, base);
    const matrices = lora ? Object.fromEntries(named(blockLoraParameters(this.config, lora), adapter)) : {};
    return { ...given, feeds: { ...given.feeds, ...matrices } };
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

  /** By layer; layers of a kind share theirs. The last one makes its output from `readFrom` on. */
  async #geometry(
    { rows, length, readFrom, positions, promptEnd, branchStart, sequenceLengths }: TreeBatch,
    scope: Scope,
  ): Promise<(layer: number) => TokenGeometry> {
    const places = (values: Int32Array): Promise<Tensor> =>
      scope.upload(float32(Float32Array.from(values), [values.length / length, length]));
    const shared = {
      positions: await places(positions),
      prompt_end: await places(promptEnd),
      branch_start: await places(branchStart),
      index: await places(Int32Array.from({ length }, (_, i) => i)),
    };
    const chunksFrom = (first: number) =>
      queryChunks(length - first, this.#queryChunk(rows, length)).map(([from, to]) => ({
        query_from: int64([first + from], [1]),
        query_to: int64([first + to], [1]),
        row_from: int64([from], [1]),
        row_to: int64([to], [1]),
        key_from: int64([0], [1]),
        // No token sees one that stands behind it.
        key_to: int64([first + to], [1]),
      }));
    const chunks = chunksFrom(0);
    const ofKind = new Map<LayerKind, TokenGeometry>();
    for (const kind of this.config.layerKinds) {
      const { cos, sin } = this.rotary(kind, positions, sequenceLengths, length);
      const feeds = { ...shared, cos: await scope.upload(cos), sin: await scope.upload(sin) };
      ofKind.set(kind, { outputs: 'all', feeds, window: kind.slidingWindow, chunks });
    }
    const last = this.config.layers - 1;
    const whole = (layer: number) => ofKind.get(layerKind(this.config, layer)) as TokenGeometry;
    // A session that holds weights is one more copy of them: one kind of last layer serves both.
    if (readFrom === 0 && !this.#inSessions) return whole;
    const ofLast: TokenGeometry = {
      ...whole(last),
      outputs: 'some',
      feeds: { ...whole(last).feeds, output_from: int64([readFrom], [1]), output_to: int64([length], [1]) },
      chunks: chunksFrom(readFrom),
    };
    return (layer) => (layer === last ? ofLast : whole(layer));
  }

  /** `rows`: places in `hidden`, row * columns + column. */
  async #headFeeds(hidden: Tensor, rows: readonly number[]): Promise<RunWeights> {
    const { feeds, weights } = this.#asGiven('head', {
      norm: required(await this.#weights.placed(), FINAL_NORM),
      ...(await this.#table(outputParameter(this.config))).feeds,
    });
    return { feeds: { ...feeds, hidden, rows: int64(rows, [rows.length]) }, weights };
  }

  /** A table where it lies: the rows of each of its pieces, those as the graphs read them, and their names there and in the model. */
  async #table(parameter: string): Promise<{
    readonly pieces: readonly number[];
    readonly feeds: Readonly<Record<string, Tensor>>;
    readonly names: readonly (readonly [inGraph: string, inModel: string])[];
  }> {
    const placed = await this.#weights.pieces(parameter);
    const inGraph = pieceNames('table', placed.length);
    return {
      pieces: placed.map(([, { dims }]) => dims[0] as number),
      feeds: Object.fromEntries(placed.map(([, tensor], i) => [inGraph[i] as string, tensor])),
      names: placed.map(([name], i) => [inGraph[i] as string, name]),
    };
  }

  #headChunks(rows: number): [number, number][] {
    const size = Math.max(1, Math.floor(MAX_LOGITS / this.config.vocabSize));
    return Array.from({ length: Math.ceil(rows / size) }, (_, i) => [i * size, Math.min(rows, (i + 1) * size)]);
  }
}

/** What `work` makes of the activations, which are freed. */
export async function consume<T>(activations: Activations, work: (activations: Activations) => Promise<T>): Promise<T> {
  try {
    return await work(activations);
  } finally {
    activations.free();
  }
}

/** The ranges of all chunks, [N, 6]. */
function chunkTable(chunks: TokenGeometry['chunks']): Tensor {
  const bounds = chunks.flatMap((chunk) => CHUNK_COLUMNS.map((name) => Number(hostIntegers(chunk[name])[0])));
  return int64(bounds, [chunks.length, CHUNK_COLUMNS.length]);
}

function addTo(sum: Float32Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (values[i] as number);
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

function required(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new ModelError(`parameter "${name}" is not in this model`);
  return tensor;
}

function targetTensor(targets: readonly Pick<Target, 'token'>[]): Tensor {
  return int64(
    targets.map(({ token }) => token),
    [targets.length, 1],
  );
}

/** Where the hidden states of targets stand in the last block's output. */
function placesOf(batch: TreeBatch, targets: readonly Pick<Target, 'index'>[]): number[] {
  return targets.map(({ index }) => outputIndex(batch, index));
}

function zerosLike({ dims }: Tensor): Tensor {
  return float32(new Float32Array(dims.reduce((product, dim) => product * dim, 1)), dims);
}

/** out[places[i]] += factors[i] rows[i], in order. */
function addRows(
  out: Float32Array,
  rows: Float32Array,
  places: readonly number[],
  factors: Float32Array | null,
  d: number,
): void {
  places.forEach((place, i) => {
    const factor = factors ? (factors[i] as number) : 1;
    for (let j = 0; j < d; j++)
      out[place * d + j] = (out[place * d + j] as number) + factor * (rows[i * d + j] as number);
  });
}

function scatterEmbeddings(
  table: Float32Array,
  dh: Float32Array,
  { rows, inside }: PlacesInPiece,
  { hiddenSize: d, embeddingScale }: ModelConfig,
): void {
  rows.forEach((row, i) => {
    if (inside[i] === 0) return;
    for (let j = 0; j < d; j++)
      table[row * d + j] = (table[row * d + j] as number) + embeddingScale * (dh[i * d + j] as number);
  });
}
