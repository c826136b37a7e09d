import type { Activations, LayerActivations, Teacher } from './activations.ts';
import type { BlockShape } from './block.graph.ts';
import { Decoder } from './decoder.ts';
import { Embedding } from './embedding.ts';
import { packWeight, type FrozenWeights, type StoredTensors } from './frozen-weights.ts';
import type { Gradients } from './gradients.ts';
import { Head, placesOf, type TargetStatistics } from './head.ts';
import { LayersInParts, type Recompute } from './layers-in-parts.ts';
import { LayersInSessions } from './layers-in-sessions.ts';
import type { Layers, OnLayer } from './layers.ts';
import type { LoraOptions } from './lora.ts';
import type { LayerKind, ModelConfig } from './model-config.ts';
import { readStoredFolder } from './model-folder.ts';
import { ModelWeights, type RunWeights } from './model-weights.ts';
import { ModelError } from './model.error.ts';
import { ParameterStore } from './parameter-store.ts';
import { sharedPromptLimit } from './rotary.ts';
import type { Runtime } from './runtime.ts';
import type { HostTensor, HostTensors } from './safetensors.ts';
import { roundWeights, turnsRows, type SamplingWeights } from './sampling-weights.ts';
import { TurnedWeights } from './turned-weights.ts';
import { Scope } from './scope.ts';
import { hostFloats, hostIntegers, type Tensor } from './tensor.ts';
import type { DrawOptions, TokenDistribution } from './token-distribution.ts';
import { TokenAxis } from './token-geometry.ts';
import { firstKept, stretchOf, type TreeBatch } from './tree-batch.ts';

export interface LanguageModelOptions {
  /** Attention takes its queries in chunks of so many tokens. Default 256. */
  readonly queryChunk?: number;
  /**
   * What the backward pass computes again: `all` keeps only each block's input, `none` keeps what it reads (its products
   * too), `auto` (the default) keeps that for as many of the last blocks as fit into half of the memory that is available. The
   * numbers are the same, bit by bit. Where weights live in sessions (see `Runtime`) it is always `all`.
   */
  readonly recompute?: Recompute;
  /**
   * How the linear layers' weights are kept: half the memory as float16, a quarter as int8 with a scale an output. Products are of
   * float32 numbers all the same, but of float16 ones on a GPU (`halfProducts` of `Runtime`). Only for what trains an adapter, or
   * nothing. Default float32.
   */
  readonly frozenWeights?: FrozenWeights;
  /**
   * Nothing of the model is trained, and its weights are not changed in place: they may live in sessions
   * (`weightsInSessions`). Under an adapter, and in a lower format, the weights are frozen anyway. Default false.
   */
  readonly frozen?: boolean;
  /**
   * Matrices rounded for answers alone, which is all that the model then gives: int8 with a scale an output, or int4 with one for each
   * 32 neighbours; in products rows are rounded to 8 bits as well. On the processor only. Default float32.
   */
  readonly samplingWeights?: SamplingWeights;
}

/** A low-rank adapter on a model: what is trained instead of the model's own parameters. */
export interface Adapter {
  readonly options: LoraOptions;
  readonly weights: HostTensors;
}

/**
 * A decoder-only transformer run block by block on onnxruntime. Weights go to the device with the first run; where there
 * is none they may be changed in place between runs, unless they are frozen.
 */
export class LanguageModel {
  readonly #weights: ModelWeights;
  readonly #tokens: TokenAxis;
  readonly #embedding: Embedding;
  readonly #layers: Layers;
  readonly #head: Head;

  constructor(
    readonly config: ModelConfig,
    weights: StoredTensors | ParameterStore,
    readonly runtime: Runtime,
    adapter: Adapter | null = null,
    readonly options: LanguageModelOptions = {},
  ) {
    const { frozenWeights = 'float32', samplingWeights = 'float32', recompute = 'auto', queryChunk } = options;
    if (frozenWeights === 'int8' && runtime.device === 'webgpu')
      throw new ModelError(
        'frozenWeights int8 is not supported on device webgpu, which has no 8-bit tensors; choose float16, or device cpu',
      );
    if (samplingWeights !== 'float32' && runtime.device !== 'cpu')
      throw new ModelError(`weights of ${samplingWeights} give answers on device cpu only, not on ${runtime.device}`);
    const base = weights instanceof ParameterStore ? weights : storeOf(config, runtime, weights, options);
    const shape: BlockShape = {
      config,
      lora: adapter?.options ?? null,
      ...(frozenWeights !== 'float32' && { frozenWeights }),
      ...(samplingWeights !== 'float32' && { rounded: { format: samplingWeights, exact: base.exact } }),
      ...(frozenWeights === 'float16' && runtime.halfProducts && { products: 'float16' }),
    };
    const matrices = new ParameterStore(runtime, adapter ? matricesOf(adapter, base) : new Map());
    const isRounded = frozenWeights !== 'float32' || samplingWeights !== 'float32';
    const frozen = adapter !== null || isRounded || options.frozen === true;
    const inSessions = frozen && runtime.weightsInSessions;
    this.#weights = new ModelWeights(runtime, shape, base, matrices, frozen);
    // A session that holds weights is one more copy of them: one kind of last layer serves both.
    this.#tokens = new TokenAxis(config, runtime, { queryChunk, lastOfSome: inSessions });
    this.#embedding = new Embedding(this.#weights);
    this.#layers = inSessions
      ? new LayersInSessions(this.#weights, this.#embedding, this.#tokens)
      : new LayersInParts(this.#weights, this.#embedding, this.#tokens, recompute);
    this.#head = new Head(this.#weights);
  }

  static fromFolder(folder: string, runtime: Runtime, options: LanguageModelOptions = {}): LanguageModel {
    const { config, weights } = readStoredFolder(folder, options.frozenWeights ?? 'float32');
    return new LanguageModel(config, weights, runtime, null, options);
  }

  /** The parameters themselves, not a copy, without those of a lower format; only where there is no device. */
  get weights(): Map<string, HostTensor> {
    return this.#weights.base.host;
  }

  /** What training changes: the adapter's matrices, or every parameter. @throws ModelError where these are frozen */
  get trained(): ParameterStore {
    const { lora, frozenWeights } = this.shape;
    if (lora) return this.#weights.adapter;
    if (this.shape.rounded)
      throw new ModelError('rounded weights cannot be trained; open the model with samplingWeights float32');
    if (this.options.frozen) throw new ModelError('this model was made as frozen: make it without that to train it');
    if (frozenWeights)
      throw new ModelError(
        `with frozenWeights ${frozenWeights} a model's own parameters cannot be trained; train an adapter (adapter: { kind: lora }), or leave frozenWeights at float32`,
      );
    return this.#weights.base;
  }

  /** What training changes, in this process's memory: the tensors themselves; only where there is no device. */
  get trainable(): Map<string, HostTensor> {
    return this.trained.host;
  }

  /** The same weights, which are not copied, under an adapter. */
  withAdapter(adapter: Adapter): LanguageModel {
    return new LanguageModel(this.config, this.#weights.base, this.runtime, adapter, this.options);
  }

  /** The same weights, which are not copied, as they are without an adapter: the frozen reference. */
  withoutAdapter(): LanguageModel {
    return new LanguageModel(this.config, this.#weights.base, this.runtime, null, { ...this.options, frozen: true });
  }

  /**
   * Gives back the adapter's memory on the device, and that of the weights, with the sessions that hold some. The model is not used
   * afterwards; without `weights` others that share them are.
   */
  async free({ weights = true } = {}): Promise<void> {
    const { adapter, base } = this.#weights;
    await adapter.free();
    if (!weights) return;
    await this.runtime.releaseSessions(base);
    await base.free();
  }

  /** For answers on the processor, with the weights as they are now. */
  decoder(): Promise<Decoder> {
    return Decoder.of(this.#weights, this.#embedding, this.#tokens);
  }

  /** Of the matrices that were to be rounded for answers, those that could not be, and are kept in float32. */
  get exactWeights(): readonly string[] {
    return this.#weights.base.exact;
  }

  /** Whether prompts take each other's place as their answers end. */
  get answersContinuously(): boolean {
    return this.runtime.device === 'cpu' && !this.runtime.weightsInSessions;
  }

  get shape(): BlockShape {
    return this.#weights.shape;
  }

  /** How trees have to be laid out for this model: `packTrees(trees, model.packing)`. */
  get packing(): { readonly sharePromptsUpTo: number } {
    return {
      sharePromptsUpTo: Math.min(...this.config.layerKinds.map(({ ropeScaling }) => sharedPromptLimit(ropeScaling))),
    };
  }

  /** Runs every block, and keeps what the backward pass needs: of each target's log p or, where there is a teacher, of its KL from that. */
  async forward(batch: TreeBatch, teacher: Teacher | null = null): Promise<Activations> {
    return this.#activations(batch, (scope) => this.#layers.forward(scope, batch), teacher);
  }

  /** Predictions of the targets of activations, which must be there as long as they are asked for. */
  teacherOf({ batch, output }: Activations): Teacher {
    return {
      logits: (from, to) => this.#head.predict(output, placesOf(batch, batch.targets.slice(from, to)), 'logits'),
    };
  }

  /** Runs every block for its output alone; nothing is kept for a backward pass. */
  async infer(batch: TreeBatch): Promise<Activations> {
    return this.#activations(batch, async (scope) => ({ output: await this.#layers.infer(scope, batch), layers: [] }));
  }

  /**
   * As infer; `onLayer` is given each layer's queries [rows, length, G, R, K], and keys and values [rows, G, length, K], and
   * says which of them to keep. The last layer's queries begin at the batch's `readFrom`.
   */
  async prefill(batch: TreeBatch, onLayer: OnLayer): Promise<Activations> {
    return this.#activations(batch, async (scope) => ({
      output: await this.#layers.prefill(scope, batch, onLayer),
      layers: [],
    }));
  }

  async #activations(
    batch: TreeBatch,
    run: (scope: Scope) => Promise<Pick<Activations, 'output' | 'layers'>>,
    teacher: Teacher | null = null,
  ): Promise<Activations> {
    if (this.shape.rounded)
      throw new ModelError('a model with rounded weights gives answers alone; open it with samplingWeights float32');
    const scope = new Scope(this.runtime);
    try {
      return { batch, ...(await run(scope)), teacher, headGradients: [], scope, free: () => scope.close() };
    } catch (error) {
      scope.close();
      throw error;
    }
  }

  /** log p of each target. Only the targets' rows reach the vocabulary. */
  async targetLogps(activations: Activations): Promise<{ logps: Float32Array; hits: Uint8Array }> {
    return this.#head.score(activations, false);
  }

  /** As targetLogps, with the entropy and the mean logit of each row and, where there is a teacher, the KL from that. */
  async targetStats(activations: Activations): Promise<TargetStatistics> {
    return this.#head.score(activations, true);
  }

  /** The most likely next token, or all logits, after the hidden states at the given places (row * columns + column). */
  async predict(hidden: Tensor, indices: readonly number[], output: 'logits'): Promise<Float32Array>;
  async predict(hidden: Tensor, indices: readonly number[], output: 'argmax'): Promise<BigInt64Array>;
  async predict(
    hidden: Tensor,
    indices: readonly number[],
    output: 'logits' | 'argmax',
  ): Promise<Float32Array | BigInt64Array> {
    const predicted = await this.#head.predict(hidden, indices, output);
    return output === 'logits' ? hostFloats(predicted) : hostIntegers(predicted);
  }

  /** What the next token is drawn from after the hidden states at the given places. */
  async distributions(
    hidden: Tensor,
    indices: readonly number[],
    options: DrawOptions,
  ): Promise<readonly TokenDistribution[]> {
    return this.#head.distributions(hidden, indices, options);
  }

  /**
   * Adds to `gradients` the gradient of sum(dScores * score(target)) with respect to what is trainable: a score is log p or, where there is
   * a teacher, the KL from that. Targets whose derivative is 0 are left out. What the activations kept of the blocks is freed.
   */
  async backward(activations: Activations, dScores: Float32Array, gradients: Gradients): Promise<void> {
    const { batch, layers, scope: tapeScope } = activations;
    if (dScores.every((dScore) => dScore === 0)) return;
    await this.runtime.scoped(async (scope) => {
      let dh = await this.#head.backward(scope, activations, dScores, gradients);
      const stretch = stretchOf(batch, firstKept(batch));
      const geometry = await this.#tokens.geometry(scope, stretch);
      const tape = [...layers];
      for (let layer = this.config.layers - 1; layer >= 0; layer--) {
        // Taken off the tape: what a block kept is let go as soon as the block is done.
        const activations = tape.pop() as LayerActivations;
        dh = await this.#layers.backward(scope, layer, activations, dh, geometry(layer), gradients);
        const { h, kept, seen } = activations;
        tapeScope.free(h, ...Object.values(kept ?? {}), ...Object.values(seen ?? {}));
      }
      if (!this.shape.lora) await this.#embedding.backward(scope, stretch, dh, gradients);
    });
  }

  /** Embeddings [..., d] of tokens. */
  async embed(scope: Scope, tokens: Int32Array, dims: readonly [number, number]): Promise<Tensor> {
    return this.#embedding.forward(scope, tokens, dims);
  }

  /** A layer's weights and adapter matrices, by the names of its graphs' inputs. */
  async layerWeights(layer: number): Promise<RunWeights> {
    return this.#weights.layer(layer);
  }

  /** A layer kind's cosines and sines [rows, length, 1, 1, K/2] at positions of sequences, whose lengths are given by row. */
  rotary(
    kind: LayerKind,
    positions: Int32Array,
    sequenceLengths: Int32Array,
    length: number,
  ): { cos: Tensor; sin: Tensor } {
    return this.#tokens.rotary(kind, positions, sequenceLengths, length);
  }
}

/** Parameters in the formats that the options name. */
function storeOf(
  config: ModelConfig,
  runtime: Runtime,
  weights: StoredTensors,
  { frozenWeights = 'float32', samplingWeights = 'float32' }: LanguageModelOptions,
): ParameterStore {
  const stored = new Map([...weights].map(([name, tensor]) => [name, packWeight(name, tensor, frozenWeights)]));
  if (samplingWeights === 'float32') return new ParameterStore(runtime, stored);
  const turned = turnsRows(samplingWeights) ? new TurnedWeights(config, stored) : undefined;
  const { tensors, exact } = roundWeights(stored, samplingWeights, turned);
  return new ParameterStore(runtime, tensors, { exact, ...(turned && { turned }) });
}

/** An adapter's matrices, for the rows that the base's take. */
function matricesOf({ weights }: Adapter, { turned }: ParameterStore): HostTensors {
  return turned ? new Map([...weights].map(([name, tensor]) => [name, turned.of(name, tensor)])) : weights;
}
