import type { Activations, Kept, LayerActivations, Projected, Seen } from './activations.ts';
import { attentionBackward, attentionForward, joinKeys, joinTokens, trainedKeys } from './attention.graph.ts';
import {
  finishBackward,
  finishForward,
  projectBackward,
  projectForward,
  type FINISH_ACTIVATIONS,
} from './block.graph.ts';
import type { Embedding } from './embedding.ts';
import { collectGradients, sumsSoFar, type Gradients } from './gradients.ts';
import { CONSTANT_TOKENS, type Layers, type OnLayer } from './layers.ts';
import type { ModelWeights } from './model-weights.ts';
import type { Feeds, Outputs } from './runtime.ts';
import type { Scope } from './scope.ts';
import type { Tensor } from './tensor.ts';
import type { TokenAxis, TokenGeometry } from './token-geometry.ts';
import { firstKept, stretchesBefore, stretchOf, type Stretch, type TreeBatch } from './tree-batch.ts';

/**
 * Passes through the layers part by part: project, attention a chunk of queries at a time, finish. Each part is fed its weights, or is
 * given them as such, and the loop over layers and chunks is made here, so that memory is freed when the next part needs it.
 */
export class LayersInParts implements Layers {
  constructor(
    private readonly weights: ModelWeights,
    private readonly embedding: Embedding,
    private readonly tokens: TokenAxis,
    private readonly recompute: Recompute,
  ) {}

  async forward(scope: Scope, batch: TreeBatch): Promise<Pick<Activations, 'output' | 'layers'>> {
    const past = await this.#constants(scope, batch);
    const stretch = stretchOf(batch, firstKept(batch));
    const firstLayerKept = this.weights.config.layers - this.#layersKept(stretch);
    const layers: LayerActivations[] = [];
    const output = await this.#through(scope, stretch, { firstKept: firstLayerKept, past }, (h, given) => {
      const keeps = layers.length >= firstLayerKept;
      const seen = past && { keys: given.keys, values: given.values };
      layers.push({ h, kept: keeps ? (given as Kept) : null, ...(seen && { seen }) });
      if (keeps) return;
      const left = Object.values(given).filter((tensor) => tensor !== seen?.keys && tensor !== seen?.values);
      scope.free(...left);
    });
    return { output, layers };
  }

  async infer(scope: Scope, batch: TreeBatch): Promise<Tensor> {
    return this.prefill(scope, batch, () => []);
  }

  async prefill(scope: Scope, batch: TreeBatch, onLayer: OnLayer): Promise<Tensor> {
    return this.#through(scope, stretchOf(batch), { firstKept: this.weights.config.layers, past: null }, (h, given) => {
      const kept = onLayer(given);
      scope.free(h, ...Object.values(given).filter((tensor) => !kept.includes(tensor)));
    });
  }

  async backward(
    outer: Scope,
    layer: number,
    { h, kept, seen }: LayerActivations,
    dOutput: Tensor,
    geometry: TokenGeometry,
    gradients: Gradients,
  ): Promise<Tensor> {
    const { runtime, key, shape } = this.weights;
    const { outputs } = geometry;
    return runtime.scoped(async (scope) => {
      const { queries, keys, values, h_some, mixed, ...finished } =
        kept ?? (await this.#block(scope, layer, h, geometry, { output: false, activations: true, seen })).given;
      const { feeds, weights } = await this.weights.layer(layer);
      const trained = this.weights.trainedIn(layer);
      const { add, sums } = sumsSoFar(gradients, trained);
      const finish = await scope.run(
        key(`finish-backward ${add}`),
        () => finishBackward(shape, { add }),
        { ...feeds, ...finished, mixed, ...sums, h: h_some ?? h, dh_out: dOutput },
        [],
        weights,
      );
      outer.free(dOutput);
      if (!kept) scope.free(...Object.values(finished));
      const attention = await this.#attentionBackward(
        scope,
        { queries, keys, values, mixed, d_mixed: finish.d_mixed as Tensor },
        geometry,
      );
      const project = await scope.run(
        key(`project-backward ${outputs} ${add}`),
        () => projectBackward(shape, { outputs, add }),
        { ...geometry.feeds, ...feeds, ...sums, h, ...attention, dh_past: finish.dh_past as Tensor },
        [],
        weights,
      );
      // Only now: both parts' sums, or neither.
      collectGradients(scope, gradients, trained, { ...finish, ...project });
      return outer.own(scope.release(project.dh as Tensor));
    });
  }

  /** By layer, keys and values of the columns before the first that keeps more; null: there are none. */
  async #constants(scope: Scope, batch: TreeBatch): Promise<readonly Seen[] | null> {
    let past: readonly Seen[] | null = null;
    for (const stretch of stretchesBefore(batch, CONSTANT_TOKENS)) {
      const seen: Seen[] = [];
      const passed = { firstKept: this.weights.config.layers, past };
      const output = await this.#through(scope, stretch, passed, (h, { keys, values, ...others }) => {
        seen.push({ keys, values });
        scope.free(h, ...Object.values(others));
      });
      scope.free(output);
      past = seen;
    }
    return past;
  }

  /**
   * Runs every block; `onBlock` is given its input and what it made of it, from the layer `firstKept` on with its activations. Behind
   * `past` keys and values, which are freed, those that it is given are of all tokens.
   */
  async #through(
    scope: Scope,
    stretch: Stretch,
    { firstKept, past }: { readonly firstKept: number; readonly past: readonly Seen[] | null },
    onBlock: (h: Tensor, given: Given) => void,
  ): Promise<Tensor> {
    const { rows, from, to, tokens } = stretch;
    const geometry = await this.tokens.geometry(scope, stretch);
    let h = await this.embedding.forward(scope, tokens, [rows, to - from]);
    for (let layer = 0; layer < this.weights.config.layers; layer++) {
      const wanted = { output: true, activations: layer >= firstKept, past: past?.[layer] };
      const { output, given } = await this.#block(scope, layer, h, geometry(layer), wanted);
      onBlock(h, given);
      h = output as Tensor;
    }
    return h;
  }

  async #block(
    scope: Scope,
    layer: number,
    h: Tensor,
    geometry: TokenGeometry,
    { past, seen, ...wanted }: BlockOptions,
  ): Promise<{ readonly output: Tensor | undefined; readonly given: Given }> {
    const { key, shape } = this.weights;
    const { outputs } = geometry;
    const { feeds, weights } = await this.weights.layer(layer);
    const own = (await scope.run(
      key(`project-forward ${outputs}`),
      () => projectForward(shape, { outputs }),
      { ...geometry.feeds, ...feeds, h },
      [],
      weights,
    )) as Outputs & Projected;
    const projected = { ...own, ...(past ? await this.#seenBehind(scope, past, own) : seen) };
    if (past ?? seen) scope.free(own.keys, own.values);
    const mixed = await this.#attend(scope, projected, geometry);
    const { h_out: output, ...activations } = await scope.run(
      key(`finish-forward ${JSON.stringify(wanted)}`),
      () => finishForward(shape, wanted),
      { ...feeds, h: projected.h_some ?? h, mixed },
      [],
      weights,
    );
    return { output, given: { ...projected, ...activations, mixed } };
  }

  /** The keys and values of all tokens. Those of the tokens before are freed. */
  async #seenBehind(scope: Scope, past: Seen, own: Seen): Promise<Seen> {
    const { config, key } = this.weights;
    const { seen_keys, seen_values } = await scope.run(key('join-keys'), () => joinKeys(config), {
      past_keys: past.keys,
      past_values: past.values,
      own_keys: own.keys,
      own_values: own.values,
    });
    scope.free(past.keys, past.values);
    return { keys: seen_keys as Tensor, values: seen_values as Tensor };
  }

  async #attend(scope: Scope, projected: Projected, geometry: TokenGeometry): Promise<Tensor> {
    const { config, key } = this.weights;
    const pieces: Tensor[] = [];
    for (const range of geometry.chunks) {
      const { mixed } = await scope.run(
        key(`attention-forward ${geometry.window}`),
        () => attentionForward(config, geometry.window),
        { ...geometry.feeds, ...range, ...projected },
      );
      pieces.push(mixed as Tensor);
    }
    return this.#join(scope, pieces, (tokens) => ['B', tokens, config.heads * config.headSize]);
  }

  /** d_mixed -> d_queries, and d_keys and d_values of the tokens that run, summed over the chunks. */
  async #attentionBackward(
    scope: Scope,
    forward: Readonly<Record<'queries' | 'keys' | 'values' | 'mixed' | 'd_mixed', Tensor>>,
    geometry: TokenGeometry,
  ): Promise<Feeds> {
    const { config, key } = this.weights;
    const { heads, kvHeads, headSize } = config;
    let sums: Outputs = {};
    const dQueries: Tensor[] = [];
    for (const range of geometry.chunks) {
      const add = dQueries.length > 0;
      const past = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [`${name}_sum`, sum]));
      const { d_queries_chunk, ...more } = await scope.run(
        key(`attention-backward ${geometry.window} ${add}`),
        () => attentionBackward(config, geometry.window, { add }),
        { ...geometry.feeds, ...range, ...past, ...forward },
      );
      scope.free(...Object.values(sums));
      dQueries.push(d_queries_chunk as Tensor);
      sums = more;
    }
    const shape = (tokens: string) => ['B', tokens, kvHeads, heads / kvHeads, headSize];
    return { ...(await this.#trainedKeys(scope, sums, geometry)), d_queries: await this.#join(scope, dQueries, shape) };
  }

  /** Of d_keys and d_values of all tokens, which are freed, what is not the gradient of constants. */
  async #trainedKeys(scope: Scope, sums: Outputs, { constants }: TokenGeometry): Promise<Outputs> {
    if (!constants) return sums;
    const { config, key } = this.weights;
    const feeds = { ...constants, ...sums };
    const { d_keys_own, d_values_own } = await scope.run(key('trained-keys'), () => trainedKeys(config), feeds);
    scope.free(...Object.values(sums));
    return { d_keys: d_keys_own as Tensor, d_values: d_values_own as Tensor };
  }

  /** Pieces along the token axis, joined; they are freed. */
  async #join(
    scope: Scope,
    pieces: readonly Tensor[],
    shape: (tokens: string) => (number | string)[],
  ): Promise<Tensor> {
    if (pieces.length === 1) return pieces[0] as Tensor;
    const { whole } = await scope.run(
      this.weights.key(`join-tokens ${pieces.length} ${shape('T').join()}`),
      () => joinTokens(pieces.length, shape),
      Object.fromEntries(pieces.map((piece, i) => [`piece_${i}`, piece])),
    );
    scope.free(...pieces);
    return whole as Tensor;
  }

  /** How many of the last blocks keep what their backward pass reads. */
  #layersKept({ rows, from, to }: Stretch): number {
    const { config, runtime } = this.weights;
    const { layers, heads, kvHeads, headSize, hiddenSize, intermediateSize } = config;
    if (this.recompute !== 'auto') return this.recompute === 'none' ? layers : 0;
    const floatsPerToken = 2 * heads * headSize + 2 * kvHeads * headSize + hiddenSize + 2 * intermediateSize;
    const layerBytes = 4 * rows * (to - from) * floatsPerToken;
    return Math.min(layers, Math.floor(runtime.freeBytes / 2 / layerBytes));
  }
}

interface BlockOptions {
  readonly output: boolean;
  readonly activations: boolean;
  /** Keys and values of the tokens before those that run. */
  readonly past?: Seen | undefined;
  /** Keys and values of all tokens, where they are there already. */
  readonly seen?: Seen | undefined;
}

/** What the backward pass computes again: see `LanguageModelOptions`. */
export type Recompute = 'auto' | 'all' | 'none';

/** What a block makes of its input on the way to its output, as far as it is asked for. */
type Given = Projected & { readonly mixed: Tensor } & Readonly<
    Partial<Record<(typeof FINISH_ACTIVATIONS)[number], Tensor>>
  >;
