import type { BlockShape } from './block.graph.ts';
import { scaleOf } from './frozen-weights.ts';
import { blockLoraParameters } from './lora.ts';
import type { ModelConfig } from './model-config.ts';
import { ModelError } from './model.error.ts';
import type { ParameterStore } from './parameter-store.ts';
import {
  blockParameters,
  EMBEDDING,
  FINAL_NORM,
  layerParameter,
  OUTPUT,
  outputParameter,
  storedBlockParameters,
  type NamedParameters,
} from './parameters.ts';
import type { Feeds, Runtime, Weights } from './runtime.ts';
import { pieceNames } from './table-pieces.ts';
import { sumOfBytes, type Tensor } from './tensor.ts';

/*
 * A model's parameters as the runs of its graphs take them: by the names of the graphs' inputs; frozen ones as what never changes, so
 * that a session may hold them.
 */

/** Tensors as a run takes them: those that are fed, and those that never change. */
export interface RunWeights {
  readonly feeds: Feeds;
  readonly weights: Weights | undefined;
}

/** Consecutive layers. */
export type LayerRange = readonly [from: number, to: number];

/** Those of a graph that reads a table over the vocabulary. */
export interface TableWeights extends RunWeights {
  /** The rows of each of the table's pieces, where it lies. */
  readonly pieces: readonly number[];
  readonly names: NamedParameters;
}

/** Of one model: its weights, the base, and the adapter's matrices. */
export class ModelWeights {
  /** A graph's key: graphs differ between architectures and adapters, so a shared runtime keeps them apart. */
  readonly key: (graph: string) => string;

  constructor(
    readonly runtime: Runtime,
    readonly shape: BlockShape,
    readonly base: ParameterStore,
    readonly adapter: ParameterStore,
    /** Whether the base never changes. */
    readonly frozen: boolean,
  ) {
    const suffix = JSON.stringify(shape);
    this.key = (graph) => `${graph} ${suffix}`;
  }

  get config(): ModelConfig {
    return this.shape.config;
  }

  async layer(layer: number): Promise<RunWeights> {
    const { lora } = this.shape;
    const [weights, adapter] = [await this.base.placed(), await this.adapter.placed()];
    const named = (
      parameters: readonly (readonly [name: string, ...unknown[]])[],
      tensors: ReadonlyMap<string, Tensor>,
    ) => parameters.map(([name]) => [name, required(tensors, layerParameter(layer, name))] as const);
    const stored = storedBlockParameters(this.config, this.shape, layerParameter(layer, ''));
    const base = Object.fromEntries(named(stored, weights));
    const given = this.#asGiven(`layer ${layer}`, base);
    const matrices = lora ? Object.fromEntries(named(blockLoraParameters(this.config, lora), adapter)) : {};
    return { ...given, feeds: { ...given.feeds, ...matrices } };
  }

  /** Consecutive layers that one session takes: as many as its bound of bytes allows, or all where no session holds weights. */
  async ranges(): Promise<readonly LayerRange[]> {
    const { config, runtime } = this;
    const ranges: [number, number][] = [];
    let room = 0;
    for (let layer = 0; layer < config.layers; layer++) {
      const { weights } = await this.layer(layer);
      const inSession = runtime.weightsInSessions || weights?.inSession === true;
      const bytes = inSession ? sumOfBytes(weights?.tensors ?? {}) : 0;
      const range = ranges.at(-1);
      if (range && bytes <= room) range[1] = layer + 1;
      else {
        ranges.push([layer, layer + 1]);
        room = runtime.maxSessionWeightBytes;
      }
      room -= bytes;
    }
    return ranges;
  }

  /** Of consecutive layers, by their names in the model. */
  async layers([from, to]: LayerRange): Promise<RunWeights> {
    const feeds: Record<string, Tensor> = {};
    const tensors: Record<string, Tensor> = {};
    for (let layer = from; layer < to; layer++) {
      const ofLayer = await this.layer(layer);
      for (const [name, tensor] of Object.entries(ofLayer.feeds)) feeds[layerParameter(layer, name)] = tensor;
      for (const [name, tensor] of Object.entries(ofLayer.weights?.tensors ?? {}))
        tensors[layerParameter(layer, name)] = tensor;
    }
    const { feeds: fed, weights } = this.#asGiven(`layers ${from}-${to}`, tensors);
    return { feeds: { ...feeds, ...fed }, weights };
  }

  /** What is trained in a layer. */
  trainedIn(layer: number): NamedParameters {
    const { lora } = this.shape;
    const trained = lora ? blockLoraParameters(this.config, lora) : blockParameters(this.config);
    return trained.map(([name]) => [name, layerParameter(layer, name)]);
  }

  async embedding(): Promise<TableWeights> {
    const { feeds, ...table } = await this.#table(EMBEDDING);
    return { ...table, ...this.#asGiven('embedding', feeds) };
  }

  /** The final norm and the output table. */
  async head(): Promise<TableWeights> {
    const placed = await this.base.placed();
    const norm = required(placed, FINAL_NORM);
    const { rounded } = this.shape;
    const { feeds, pieces, names } =
      rounded && !rounded.exact.includes(OUTPUT)
        ? this.#roundedTable(placed)
        : await this.#table(rounded ? OUTPUT : outputParameter(this.config));
    return { pieces, names: [['norm', FINAL_NORM], ...names], ...this.#asGiven('head', { norm, ...feeds }) };
  }

  #roundedTable(placed: ReadonlyMap<string, Tensor>): Omit<TableWeights, 'weights'> {
    const feeds = { table: required(placed, OUTPUT), [scaleOf('table')]: required(placed, scaleOf(OUTPUT)) };
    return { pieces: [this.config.vocabSize], feeds, names: [] };
  }

  async #table(parameter: string): Promise<Omit<TableWeights, 'weights'>> {
    const placed = await this.base.pieces(parameter);
    const inGraph = pieceNames('table', placed.length);
    return {
      pieces: placed.map(([, { dims }]) => dims[0] as number),
      feeds: Object.fromEntries(placed.map(([, tensor], i) => [inGraph[i] as string, tensor])),
      names: placed.map(([name], i) => [inGraph[i] as string, name]),
    };
  }

  /** Frozen weights as such; others are fed. */
  #asGiven(part: string, tensors: Feeds): RunWeights {
    if (!this.frozen) return { feeds: tensors, weights: undefined };
    const inSession = this.shape.rounded !== undefined;
    return { feeds: {}, weights: { owner: this.base, part, tensors, ...(inSession && { inSession }) } };
  }
}

function required(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new ModelError(`parameter "${name}" is not in this model`);
  return tensor;
}
