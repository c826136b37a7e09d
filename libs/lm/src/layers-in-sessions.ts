import type { Activations, LayerActivations, Seen } from './activations.ts';
import { CHUNK_COLUMNS } from './attention.graph.ts';
import type { Embedding } from './embedding.ts';
import type { Gradients } from './gradients.ts';
import { layerBackward, layersForward, type LayersWanted } from './layers.graph.ts';
import { CONSTANT_TOKENS, type Layers, type OnLayer } from './layers.ts';
import type { LayerRange, ModelWeights } from './model-weights.ts';
import type { Feeds, Outputs } from './runtime.ts';
import type { Scope } from './scope.ts';
import { float32, hostFloats, hostIntegers, int64, type Tensor } from './tensor.ts';
import type { TokenAxis, TokenGeometry } from './token-geometry.ts';
import { firstKept, stretchesBefore, stretchOf, type Stretch, type TreeBatch } from './tree-batch.ts';

/**
 * Passes through sessions of whole layers, which hold their weights: hidden states are all that goes from run to run. Every layer is
 * computed again in its backward pass.
 */
export class LayersInSessions implements Layers {
  constructor(
    private readonly weights: ModelWeights,
    private readonly embedding: Embedding,
    private readonly tokens: TokenAxis,
  ) {}

  async forward(scope: Scope, batch: TreeBatch): Promise<Pick<Activations, 'output' | 'layers'>> {
    if (batch.gradientFrom.some((first) => first > 0)) return this.#forwardBehind(scope, batch);
    const layers: LayerActivations[] = [];
    const output = await this.#through(scope, stretchOf(batch), 'inputs', ([from, to], input, outputs) => {
      for (let layer = from; layer < to; layer++)
        layers.push({ h: layer === from ? input : (outputs[`h_${layer}`] as Tensor), kept: null });
    });
    return { output, layers };
  }

  async infer(scope: Scope, batch: TreeBatch): Promise<Tensor> {
    return this.#through(scope, stretchOf(batch), 'output', (_range, h) => scope.free(h));
  }

  async prefill(scope: Scope, batch: TreeBatch, onLayer: OnLayer): Promise<Tensor> {
    return this.#through(scope, stretchOf(batch), 'projected', ([from, to], input, outputs) => {
      scope.free(input);
      for (let layer = from; layer < to; layer++) {
        const ofLayer = (name: string): Tensor => outputs[`${name}_${layer}`] as Tensor;
        const projected = { queries: ofLayer('queries'), keys: ofLayer('keys'), values: ofLayer('values') };
        const kept = onLayer(projected);
        scope.free(...Object.values(projected).filter((tensor) => !kept.includes(tensor)));
      }
    });
  }

  /** Sums are made here, so that none of them crosses the bus. */
  async backward(
    outer: Scope,
    layer: number,
    { h, seen }: LayerActivations,
    dOutput: Tensor,
    { outputs, window, feeds: ofTokens, chunks, constants }: TokenGeometry,
    gradients: Gradients,
  ): Promise<Tensor> {
    const { runtime, key, shape } = this.weights;
    return runtime.scoped(async (scope) => {
      const { feeds, weights } = await this.weights.layer(layer);
      const behind = seen !== undefined;
      const before = behind ? { ...constants, seen_keys: seen.keys, seen_values: seen.values } : {};
      const { dh, ...given } = await scope.run(
        key(`layer-backward ${outputs} ${window}${behind ? ' behind' : ''}`),
        () => layerBackward(shape, { outputs, window, behind }),
        { ...ofTokens, ...feeds, ...before, chunks: chunkTable(chunks), h, dh_out: dOutput },
        [],
        weights,
      );
      outer.free(dOutput);
      for (const [name, parameter] of this.weights.trainedIn(layer)) {
        const gradient = scope.release(given[`d_${name}`] as Tensor);
        const sum = gradients.get(parameter);
        if (sum) addTo(hostFloats(sum), hostFloats(gradient));
        else gradients.set(parameter, gradient);
      }
      return outer.own(scope.release(dh as Tensor));
    });
  }

  /** Stretch by stretch, each behind the keys and values of those before: one more kind of session, for all of them. */
  async #forwardBehind(scope: Scope, batch: TreeBatch): Promise<Pick<Activations, 'output' | 'layers'>> {
    const { layers: count, kvHeads, headSize } = this.weights.config;
    const none = (): Tensor => float32(new Float32Array(0), [batch.rows, kvHeads, 0, headSize]);
    let past: readonly Seen[] = Array.from({ length: count }, () => ({ keys: none(), values: none() }));
    let layers: readonly Required<LayerActivations>[] = [];
    let output: Tensor | undefined;
    const stretches = [...stretchesBefore(batch, CONSTANT_TOKENS), stretchOf(batch, firstKept(batch))];
    for (const stretch of stretches) {
      scope.free(...(output ? [output] : []), ...layers.map(({ h }) => h));
      const run: Required<LayerActivations>[] = [];
      output = await this.#through(
        scope,
        stretch,
        'behind',
        ([from, to], input, outputs) => {
          for (let layer = from; layer < to; layer++)
            run.push({
              h: layer === from ? input : (outputs[`h_${layer}`] as Tensor),
              kept: null,
              seen: {
                keys: outputs[`seen_keys_${layer}`] as Tensor,
                values: outputs[`seen_values_${layer}`] as Tensor,
              },
            });
        },
        past,
      );
      for (const { keys, values } of past) scope.free(keys, values);
      past = run.map(({ seen }) => seen);
      layers = run;
    }
    return { output: output as Tensor, layers };
  }

  /** Runs every session of layers; `onSession` is given its layers, the first one's input, and what came out. */
  async #through(
    scope: Scope,
    stretch: Stretch,
    wanted: LayersWanted,
    onSession: (layers: LayerRange, input: Tensor, outputs: Outputs) => void,
    past: readonly Seen[] = [],
  ): Promise<Tensor> {
    const { key, shape } = this.weights;
    const { rows, tokens } = stretch;
    const geometry = await this.tokens.geometry(scope, stretch);
    let h = await this.embedding.forward(scope, tokens, [rows, stretch.to - stretch.from]);
    for (const [from, to] of await this.weights.ranges()) {
      const { feeds, weights } = await this.weights.layers([from, to]);
      const outputs = await scope.run(
        key(`layers-forward ${from}-${to} ${wanted}`),
        () => layersForward(shape, [from, to], wanted),
        { ...feeds, ...this.#tokenFeeds([from, to], geometry), ...pastFeeds([from, to], past), h },
        [],
        weights,
      );
      onSession([from, to], h, outputs);
      h = outputs.h_out as Tensor;
    }
    return h;
  }

  /** What a session of layers reads of the batch beside h. */
  #tokenFeeds([from, to]: LayerRange, geometry: (layer: number) => TokenGeometry): Feeds {
    const { cos: _cos, sin: _sin, ...shared } = geometry(to - 1).feeds;
    const feeds: Record<string, Tensor> = { ...shared };
    for (let layer = from; layer < to; layer++) {
      const kind = this.weights.config.kindOfLayer[layer] as number;
      const { feeds: ofLayer, chunks, outputs } = geometry(layer);
      feeds[`cos_${kind}`] = ofLayer['cos'] as Tensor;
      feeds[`sin_${kind}`] = ofLayer['sin'] as Tensor;
      feeds[outputs === 'some' ? 'last_chunks' : 'chunks'] = chunkTable(chunks);
    }
    return feeds;
  }
}

function pastFeeds([from, to]: LayerRange, past: readonly Seen[]): Feeds {
  return Object.fromEntries(
    past.slice(from, to).flatMap(({ keys, values }, i) => [
      [`past_keys_${from + i}`, keys],
      [`past_values_${from + i}`, values],
    ]),
  );
}

/** The ranges of all chunks, [N, 6]. */
function chunkTable(chunks: TokenGeometry['chunks']): Tensor {
  const bounds = chunks.flatMap((chunk) => CHUNK_COLUMNS.map((name) => Number(hostIntegers(chunk[name])[0])));
  return int64(bounds, [chunks.length, CHUNK_COLUMNS.length]);
}

function addTo(sum: Float32Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (values[i] as number);
}
