import type { Graph } from '@solopo/onnx-graph';
import { attentionBackward, attentionForward } from './attention.graph.ts';
import { blockDecode, finishBackward, finishForward, projectBackward, projectForward } from './block.graph.ts';
import type { BlockShape } from './block.graph.ts';
import { layerBackward, layersForward } from './layers.graph.ts';
import { embed, headBackward, headDraw, headPredict, headScore } from './head.graph.ts';

/** The graphs of which a model's passes are made, to be looked at: each layer of a kind runs the same ones. */
export function modelGraphs(shape: BlockShape): Map<string, Graph> {
  const { config, lora } = shape;
  const windows = [...new Set(config.layerKinds.map(({ slidingWindow }) => slidingWindow))];
  const attention = windows.flatMap((window): [string, Graph][] => {
    const suffix = window === null ? '' : `-window-${window}`;
    return [
      [`attention-forward${suffix}`, attentionForward(config, window)],
      [`attention-backward${suffix}`, attentionBackward(config, window, { add: false })],
    ];
  });
  return new Map([
    ['embed', embed(config)],
    ['project-forward', projectForward(shape, { outputs: 'all' })],
    ['project-forward-last', projectForward(shape, { outputs: 'some' })],
    ...attention,
    ['finish-forward', finishForward(shape, { output: true, activations: true })],
    ['finish-backward', finishBackward(shape, { add: false })],
    ['project-backward', projectBackward(shape, { outputs: 'all', add: false })],
    ['project-backward-last', projectBackward(shape, { outputs: 'some', add: false })],
    ['layers-forward', layersForward(shape, [0, config.layers], 'output')],
    ...(lora
      ? ([['layer-backward', layerBackward(shape, { outputs: 'all', window: null, behind: false })]] as const)
      : []),
    ['block-decode', blockDecode(shape, { first: false })],
    ['head-score', headScore(config, { statistics: true, gradients: lora !== null, teacher: false })],
    ...(lora
      ? []
      : ([['head-backward', headBackward(config, { add: false, scatter: 'rows', teacher: false })]] as const)),
    ['head-logits', headPredict(config, 'logits')],
    ['head-draw', headDraw(config)],
  ]);
}
