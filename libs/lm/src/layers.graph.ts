import { differentiate, Graph, type Value } from '@solopo/onnx-graph';
import { attention, attentionGradients, CHUNK_COLUMNS, tokenInputs, type TokenInputs } from './attention.graph.ts';
import { angleInputs, Block, outputRange, outputTrained, type BlockShape } from './block.graph.ts';
import { layerKind } from './model-config.ts';
import { layerParameter } from './parameters.ts';

/*
 * Whole layers in one graph, for where tensors do not stay on the device between runs: the parts of block.graph.ts and
 * attention.graph.ts put together, so that only hidden states go in and out. Attention takes its chunks in a loop.
 *
 * Legend of shapes: as in block.graph.ts; N chunks of queries.
 */

/** What a forward graph gives beside its last layer's output: nothing, each further layer's input, or each layer's projections. */
export type LayersWanted = 'output' | 'inputs' | 'projected';

/**
 * h [B, T, d] of layer `from` -> h_out of layer `to - 1`, and h_LAYER (inputs), or queries_LAYER, keys_LAYER and values_LAYER
 * (projected). The model's last layer makes its output from `output_from` to `output_to`. Weights go by their names in the model,
 * angles by their layers' kind (cos_KIND), chunks as `chunks` and, in the last layer, `last_chunks`.
 */
export function layersForward(shape: BlockShape, [from, to]: readonly [number, number], wanted: LayersWanted): Graph {
  const g = new Graph('layers-forward');
  const { config } = shape;
  const tokens = tokenInputs(g);
  const kinds = new Map<number, Readonly<Record<'cos' | 'sin', Value>>>();
  const chunks = chunkInput(g, 'chunks');
  let h = g.input('h', 'float32', ['B', 'T', config.hiddenSize]);
  for (let layer = from; layer < to; layer++) {
    if (wanted === 'inputs' && layer > from) g.output(`h_${layer}`, h);
    const kind = config.kindOfLayer[layer] as number;
    const angles = kinds.get(kind) ?? angleInputs(g, config, `_${kind}`);
    kinds.set(kind, angles);
    const last = layer === config.layers - 1;
    const block = new Block(g, shape, 'many', layerParameter(layer, ''));
    const { h_some = h, ...projected } = block.project(h, angles, last ? outputRange(g) : null);
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

/**
 * A layer's h [B, T, d] and dh_out -> dh, and the gradient of what is trained in it; the forward pass is computed again. Names
 * are those of `layersForward`, weights go by their names in the layer.
 *
 * @param outputs of all tokens, or (the last layer) of those from `output_from` to `output_to`
 * @param window keys a token can see, itself included; null: all before it
 */
export function layerBackward(shape: BlockShape, { outputs, window }: LayerBackwardOptions): Graph {
  const g = new Graph('layer-backward');
  const { config } = shape;
  const block = new Block(g, shape);
  const tokens: TokenInputs = tokenInputs(g);
  const chunks = chunkInput(g, 'chunks');
  const h = g.input('h', 'float32', ['B', 'T', config.hiddenSize]);
  const { h_some = h, ...projected } = block.project(
    h,
    angleInputs(g, config),
    outputs === 'some' ? outputRange(g) : null,
  );
  const mixed = attention(g, config, window, projected, tokens, chunks);
  const { output } = block.finish(h_some, mixed);
  const [finishing, projecting] = [block.trainedIn('finish'), block.trainedIn('project')];
  const dOutput = g.input('dh_out', 'float32', output.shape);
  const [dMixed, dPast, ...dFinishing] = differentiate(
    g,
    [{ y: output, dy: dOutput }],
    [mixed, h_some, ...finishing.map(([, value]) => value)],
  ) as [Value, Value, ...Value[]];
  const gradients = attentionGradients(g, config, window, projected, tokens, chunks, { mixed, dMixed });
  const [dh, ...dProjecting] = differentiate(
    g,
    [
      { y: h_some, dy: dPast },
      ...(['queries', 'keys', 'values'] as const).map((name) => ({ y: projected[name], dy: gradients[name] })),
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
}

const chunkInput = (g: Graph, name: string): Value => g.input(name, 'int64', ['N', CHUNK_COLUMNS.length]);
