import type { Activations, LayerActivations, Projected } from './activations.ts';
import type { Gradients } from './gradients.ts';
import type { Scope } from './scope.ts';
import type { Tensor } from './tensor.ts';
import type { TokenGeometry } from './token-geometry.ts';
import type { TreeBatch } from './tree-batch.ts';

/** Of the tokens that keys and values alone are kept of, so many go through the layers at once, padding counted. */
export const CONSTANT_TOKENS = 2048;

/**
 * How passes go through a model's layers: in parts that are fed their weights (`LayersInParts`), or in sessions of whole layers that
 * hold them (`LayersInSessions`). What a pass leaves is the scope's.
 */
export interface Layers {
  /** The last layer's output, and what each layer's backward pass reads: of constants (`gradientFrom`), keys and values alone. */
  forward(scope: Scope, batch: TreeBatch): Promise<Pick<Activations, 'output' | 'layers'>>;

  /** The last layer's output alone. */
  infer(scope: Scope, batch: TreeBatch): Promise<Tensor>;

  /** As infer, but for what `onLayer` keeps. */
  prefill(scope: Scope, batch: TreeBatch, onLayer: OnLayer): Promise<Tensor>;

  /** dh' -> dh of one layer, the scope's both; dh' is freed. Adds the gradients of what is trained in the layer. */
  backward(
    scope: Scope,
    layer: number,
    activations: LayerActivations,
    dOutput: Tensor,
    geometry: TokenGeometry,
    gradients: Gradients,
  ): Promise<Tensor>;
}

/** Is given what a layer makes of its input, and says which of it to keep. */
export type OnLayer = (projected: Projected) => readonly Tensor[];
