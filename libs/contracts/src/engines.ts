import type { RankLayout } from './ranks.ts';

/** What does a run's numbers: onnxruntime, which the services bring, or PyTorch in a process of Python, which is set up apart. */
export const ENGINES = ['onnx', 'torch'] as const;
export type EngineKind = (typeof ENGINES)[number];

/** The linear layers of the models that onnxruntime has graphs for, by the last part of their name; of others PyTorch knows. */
export const LINEAR_LAYERS: readonly string[] = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
];

/** What weights and activations are computed in. Sums of gradients and what is trained are float32 always. */
export const PRECISIONS = ['float32', 'bfloat16'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** Workers of one app that have the same engines: a Deployment of the chart, the processes that the launcher starts. */
export interface Pool extends RankLayout {
  readonly name: string;
  readonly app: string;
  readonly engines: readonly EngineKind[];
}
