import type { Activations, Kept, LayerActivations, Projected } from './activations.ts';
import { attentionBackward, attentionForward, joinTokens } from './attention.graph.ts';
import {
  finishBackward,
  finishForward,
  projectBackward,
  projectForward,
  type FINISH_ACTIVATIONS,
} from './block.graph.ts';
import type { Embedding } from './embedding.ts';
import { collectGradients, sumsSoFar, type Gradients } from './gradients.ts';
import type { Layers, OnLayer } from './layers.ts';
import type { ModelWeights } from './model-weights.ts';
import type { Feeds, Outputs } from './runtime.ts';
import type { Scope } from './scope.ts';
import type { Tensor } from './tensor.ts';
import type { TokenAxis, TokenGeometry } from './token-geometry.ts';
import type { TreeBatch } from './tree-batch.ts';

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
    const firstKept = this.weights.config.layers - this.#layersKept(batch);
    const layers: LayerActivations[] = [];
    const output = await this.#through(scope, batch, firstKept, (h, given) => {
      const keeps = layers.length >= firstKept;
      layers.push({ h, kept: keeps ? (given as Kept) : null });
      if (!keeps) scope.free(...Object.values(given));
    });
    return { output, layers };
  }

  async infer(scope: Scope, batch: TreeBatch): Promise<Tensor> {
    return this.prefill(scope, batch, () => []);
  }

  async prefill(scope: Scope, batch: TreeBatch, onLayer: OnLayer): Promise<Tensor> {
    return this.#through(scope, batch, this.weights.config.layers, (h, given) => {
      const kept = onLayer(given);
      scope.free(h, ...Object.values(given).filter((tensor) => !kept.includes(tensor)));
    });
  }

  async backward(
    outer: Scope,
    layer: number,
    { h, kept }: LayerActivations,
    dOutput: Tensor,
    geometry: TokenGeometry,
    gradients: Gradients,
  ): Promise<Tensor> {
    const { runtime, key, shape } = this.weights;
    const { outputs } = geometry;
    return runtime.scoped(async (scope) => {
      const { queries, keys, values, h_some, mixed, ...finished } =
        kept ?? (await this.#block(scope, layer, h, geometry, { output: false, activations: true })).given;
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

  /** Runs every block; `onBlock` is given its input and what it made of it, from the layer `firstKept` on with its activations. */
  async #through(
    scope: Scope,
    batch: TreeBatch,
    firstKept: number,
    onBlock: (h: Tensor, given: Given) => void,
  ): Promise<Tensor> {
    const geometry = await this.tokens.geometry(scope, batch);
    let h = await this.embedding.forward(scope, batch.tokens, [batch.rows, batch.length]);
    for (let layer = 0; layer < this.weights.config.layers; layer++) {
      const wanted = { output: true, activations: layer >= firstKept };
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
    wanted: { readonly output: boolean; readonly activations: boolean },
  ): Promise<{ readonly output: Tensor | undefined; readonly given: Given }> {
    const { key, shape } = this.weights;
    const { outputs } = geometry;
    const { feeds, weights } = await this.weights.layer(layer);
    const projected = (await scope.run(
      key(`project-forward ${outputs}`),
      () => projectForward(shape, { outputs }),
      { ...geometry.feeds, ...feeds, h },
      [],
      weights,
    )) as Outputs & Projected;
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

  /** d_mixed -> d_queries, d_keys and d_values, summed over the chunks. */
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
    return { ...sums, d_queries: await this.#join(scope, dQueries, shape) };
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
  #layersKept({ rows, length }: TreeBatch): number {
    const { config, runtime } = this.weights;
    const { layers, heads, kvHeads, headSize, hiddenSize, intermediateSize } = config;
    if (this.recompute !== 'auto') return this.recompute === 'none' ? layers : 0;
    const floatsPerToken = 2 * heads * headSize + 2 * kvHeads * headSize + hiddenSize + 2 * intermediateSize;
    const layerBytes = 4 * rows * length * floatsPerToken;
    return Math.min(layers, Math.floor(runtime.freeBytes / 2 / layerBytes));
  }
}

/** What the backward pass computes again: see `LanguageModelOptions`. */
export type Recompute = 'auto' | 'all' | 'none';

/** What a block makes of its input on the way to its output, as far as it is asked for. */
type Given = Projected & { readonly mixed: Tensor } & Readonly<
    Partial<Record<(typeof FINISH_ACTIVATIONS)[number], Tensor>>
  >;
