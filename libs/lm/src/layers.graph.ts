import { differentiate, Graph, type Value } from '@solopo/onnx-graph';
import {
  attention,
  attentionGradients,
  CHUNK_COLUMNS,
  constantInputs,
  ofKeys,
  tokenInputs,
  trainedOf,
  type Projected,
  type TokenInputs,
} from './attention.graph.ts';
import { angleInputs, Block, outputRange, outputTrained, type BlockShape } from './block.graph.ts';
import { layerKind, type ModelConfig } from './model-config.ts';
import { layerParameter } from './parameters.ts';

/*
 * Whole layers in one graph, for where tensors do not stay on the device between runs: the parts of block.graph.ts and
 * attention.graph.ts put together, so that only hidden states go in and out. Attention takes its chunks in a loop.
 *
 * Legend of shapes: as in block.graph.ts; N chunks of queries, P tokens before those that run, A tokens of both.
 */

/**
 * What a forward graph gives beside its last layer's output: nothing, each further layer's input, each layer's projections, or, behind
 * the keys and values of the tokens before, each further layer's input and each layer's keys and values of all tokens.
 */
export type LayersWanted = 'output' | 'inputs' | 'projected' | 'behind';

/**
 * h [B, T, d] of layer `from` -> h_out of layer `to - 1`, and h_LAYER (inputs), or queries_LAYER, keys_LAYER and values_LAYER
 * (projected), or past_keys_LAYER and past_values_LAYER [B, G, P, K] -> h_LAYER, seen_keys_LAYER and seen_values_LAYER [B, G, A, K]
 * (behind). The model's last layer makes its output from `output_from` to `output_to`. Weights go by their names in the model,
 * angles by their layers' kind (cos_KIND), chunks as `chunks` and, in the last layer, `last_chunks`.
 */
export function layersForward(shape: BlockShape, [from, to]: readonly [number, number], wanted: LayersWanted): Graph {
  const g = new Graph('layers-forward');
  const { config } = shape;
  const tokens = tokenInputs(g, wanted === 'behind' ? 'A' : 'T');
  const kinds = new Map<number, Readonly<Record<'cos' | 'sin', Value>>>();
  const chunks = chunkInput(g, 'chunks');
  let h = g.input('h', 'float32', ['B', 'T', config.hiddenSize]);
  for (let layer = from; layer < to; layer++) {
    if ((wanted === 'inputs' || wanted === 'behind') && layer > from) g.output(`h_${layer}`, h);
    const kind = config.kindOfLayer[layer] as number;
    const angles = kinds.get(kind) ?? angleInputs(g, config, `_${kind}`);
    kinds.set(kind, angles);
    const last = layer === config.layers - 1;
    const block = new Block(g, shape, 'many', layerParameter(layer, ''));
    const { h_some = h, ...own } = block.project(h, angles, last ? outputRange(g) : null);
    const projected = wanted === 'behind' ? { ...own, ...seenBehind(g, config, layer, own) } : own;
    const { slidingWindow } = layerKind(config, layer);
    const ofLayer = last ? chunkInput(g, 'last_chunks') : chunks;
    const mixed = attention(g, config, slidingWindow, projected, tokens, ofLayer);
    h = block.finish(h_some, mixed).output;
    if (wanted === 'projected')
      for (const [name, value] of Object.entries(projected)) g.output(`${name}_${layer}`, value);
  }
  g.output('h_out', h);
  return g;
}

function seenBehind(
  g: Graph,
  config: ModelConfig,
  layer: number,
  own: Readonly<Record<'keys' | 'values', Value>>,
): Readonly<Record<'keys' | 'values', Value>> {
  const join = (name: 'keys' | 'values'): Value => {
    const seen = g.concat([ofKeys(g, config, `past_${name}_${layer}`, 'P'), own[name]], 2, 'A');
    g.output(`seen_${name}_${layer}`, seen);
    return seen;
  };
  return { keys: join('keys'), values: join('values') };
}

/**
 * A layer's h [B, T, d] and dh_out -> dh, and the gradient of what is trained in it; the forward pass is computed again. Names
 * are those of `layersForward`, weights go by their names in the layer.
 *
 * @param outputs of all tokens, or (the last layer) of those from `output_from` to `output_to`
 * @param window keys a token can see, itself included; null: all before it
 * @param behind h is of the last tokens, and keys and values of all are given, seen_keys and seen_values [B, G, A, K]; see `ConstantTokens`
 */
export function layerBackward(shape: BlockShape, { outputs, window, behind }: LayerBackwardOptions): Graph {
  const g = new Graph('layer-backward');
  const { config } = shape;
  const block = new Block(g, shape);
  const tokens: TokenInputs = tokenInputs(g, behind ? 'A' : 'T');
  const chunks = chunkInput(g, 'chunks');
  const h = g.input('h', 'float32', ['B', 'T', config.hiddenSize]);
  const { h_some = h, ...own } = block.project(h, angleInputs(g, config), outputs === 'some' ? outputRange(g) : null);
  const projected = behind
    ? { ...own, keys: ofKeys(g, config, 'seen_keys', 'A'), values: ofKeys(g, config, 'seen_values', 'A') }
    : own;
  const mixed = attention(g, config, window, projected, tokens, chunks);
  const { output } = block.finish(h_some, mixed);
  const [finishing, projecting] = [block.trainedIn('finish'), block.trainedIn('project')];
  const dOutput = g.input('dh_out', 'float32', output.shape);
  const [dMixed, dPast, ...dFinishing] = differentiate(
    g,
    [{ y: output, dy: dOutput }],
    [mixed, h_some, ...finishing.map(([, value]) => value)],
  ) as [Value, Value, ...Value[]];
  const ofAll = attentionGradients(g, config, window, projected, tokens, chunks, { mixed, dMixed });
  const gradients = behind ? ownGradients(g, ofAll) : ofAll;
  const [dh, ...dProjecting] = differentiate(
    g,
    [
      { y: h_some, dy: dPast },
      ...(['queries', 'keys', 'values'] as const).map((name) => ({ y: own[name], dy: gradients[name] })),
    ],
    [h, ...projecting.map(([, value]) => value)],
  ) as [Value, ...Value[]];
  g.output('dh', dh);
  outputTrained(g, [...finishing, ...projecting], [...dFinishing, ...dProjecting], false);
  return g;
}

export interface LayerBackwardOptions {
  readonly outputs: 'all' | 'some';
  readonly window: number | null;
  readonly behind: boolean;
}

function ownGradients(g: Graph, { queries, keys, values }: Projected): Projected {
  const constants = constantInputs(g, 'T');
  return { queries, keys: trainedOf(g, keys, constants), values: trainedOf(g, values, constants) };
}

const chunkInput = (g: Graph, name: string): Value => g.input(name, 'int64', ['N', CHUNK_COLUMNS.length]);
