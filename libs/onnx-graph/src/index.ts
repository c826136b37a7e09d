export { differentiate } from './differentiate.ts';
export { encodeModel, type EncodeOptions, type GraphForm } from './encode.ts';
export { GRADIENTS, NOT_DIFFERENTIABLE } from './gradients.ts';
export {
  Graph,
  type DType,
  type GraphNode,
  type LoopBody,
  type RotaryTables,
  type TensorData,
  type Value,
} from './graph.ts';
export type { OpAttributes, OpName } from './ops.ts';
export { ShapeError, type Dim, type Shape } from './shape.ts';
