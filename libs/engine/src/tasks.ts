import type { Precision } from '@solopo/contracts';
import type {
  ChosenDevice,
  FrozenWeights,
  InspectedResponse,
  InspectedRow,
  LoraOptions,
  MeasuredTree,
  PreferenceOptions,
  Prompt,
  Sample,
  SamplingOptions,
  SamplingWeights,
  StepResult,
  TrainingPair,
  Tree,
} from '@solopo/lm';

/** Of any model's linear layers, by the last part of their name; or all but the output layer. */
export type AdapterOptions = Omit<LoraOptions, 'targets'> & { readonly targets: readonly string[] | 'all-linear' };

/** Which weights to use. */
export interface ModelSource {
  /** A Hugging Face model folder. */
  readonly folder: string;
  /** A policy version of full-parameter training: a safetensors file in place of the folder's. */
  readonly weights?: string;
  /** An adapter on the folder's model: PEFT's safetensors file or, without one, fresh from the seed. */
  readonly adapter?: { readonly options: AdapterOptions; readonly weights?: string; readonly seed?: number };
  /** How the folder's linear layers are kept; float32 when absent. */
  readonly frozenWeights?: FrozenWeights | undefined;
  /** How matrices are kept for answers, which is all that the model then gives; float32 when absent. */
  readonly samplingWeights?: SamplingWeights | undefined;
  /** What weights and activations are computed in; float32 when absent. Of PyTorch alone. */
  readonly precision?: Precision | undefined;
}

export interface SampledAnswers {
  /** Of the first prompts alone where the time was over. */
  readonly samples: Sample[][];
  /** What drew them: the engine's fingerprint, with the format that it kept the weights in. */
  readonly engine: string;
  /** Matrices that the format could not hold, which were kept in float32. */
  readonly exactWeights: number;
}

export interface ScoredTrees {
  /** For each tree, for each branch, log p of each token. */
  readonly logps: Float32Array[][];
  /** Tokens run, padding not counted. */
  readonly tokens: number;
}

/** Which of the trees are worked on, all by default. Batches are made of all of them, so that it does not matter how work is cut. */
interface Cut extends Sliced {
  readonly from?: number;
  readonly to?: number;
}

export interface TrainSliceInput {
  readonly model: ModelSource;
  /** Optimiser state of the checkpoint that the slice starts from: its safetensors file. Absent at the start. */
  readonly optimizerState?: string;
  /** Steps already taken. */
  readonly fromStep: number;
  readonly options: PreferenceOptions;
  readonly pairs: readonly TrainingPair[];
  /** For each step of the slice, indices into `pairs`. */
  readonly batches: readonly (readonly number[])[];
  /** Where the new weights (of the adapter, in PEFT's names, where there is one) and optimiser state are written. */
  readonly out: { readonly weights: string; readonly optimizerState: string };
}

/** In its phases the first step of a slice has the time of loading, and the last, once the slice is done, that of its checkpoint. */
export interface TakenStep extends StepResult {
  readonly seconds: number;
}

export interface TrainSliceOutput {
  readonly steps: readonly TakenStep[];
}

interface Sliced {
  /** After so long no further batch is begun. Default: all are. */
  readonly sliceMs?: number;
}

/**
 * The engine's vocabulary: task name to input and output (docs/engine-protocol.md). Everything crosses a process boundary: by structured
 * clone to onnxruntime, as frames to PyTorch.
 */
export interface Tasks {
  /** Of the engine as it computes with a model whose weights are kept so. */
  fingerprint: { readonly input: Pick<ModelSource, 'frozenWeights' | 'precision'>; readonly output: string };
  sample: {
    readonly input: {
      readonly model: ModelSource;
      readonly prompts: readonly Prompt[];
      readonly options: SamplingOptions;
      /** Where tensors stay on a device: tokens, padding counted, of one batch. */
      readonly batchTokens: number;
      /** On the processor: what keys and values may take. Default 2^30. */
      readonly cacheBytes?: number | undefined;
    } & Sliced;
    readonly output: SampledAnswers;
  };
  score: {
    readonly input: {
      readonly model: ModelSource;
      readonly trees: readonly Tree[];
      readonly batchTokens: number;
    } & Cut;
    /** Of the first trees of the range alone where the time was over. */
    readonly output: ScoredTrees;
  };
  /** As score, with each response's tokens added up and what else the logits say of them. */
  measure: {
    readonly input: {
      readonly model: ModelSource;
      readonly trees: readonly Tree[];
      readonly batchTokens: number;
      /** The prompts' own tokens too. */
      readonly scorePrompt: boolean;
    } & Cut;
    readonly output: MeasuredTree[];
  };
  /** Each response's log-probabilities, and where each layer's attention was for it. */
  inspect: {
    readonly input: { readonly model: ModelSource; readonly rows: readonly InspectedRow[] };
    readonly output: InspectedResponse[];
  };
  trainSlice: { readonly input: TrainSliceInput; readonly output: TrainSliceOutput };
}

export type TaskName = keyof Tasks;

/** What a task tells while it runs. */
export type Progress =
  | { readonly kind: 'loading' }
  | { readonly kind: 'done'; readonly count: number }
  | { readonly kind: 'step'; readonly step: TakenStep };

export type ToChild = {
  [K in TaskName]: {
    readonly id: number;
    readonly task: K;
    readonly input: Tasks[K]['input'];
    /** W3C: the span that the task is part of. */
    readonly traceparent: string | undefined;
  };
}[TaskName];

/** What onnxruntime did since the last message: by graph, how often and for how long. PyTorch has no graphs, and tells none. */
export interface Activity {
  /** `cpu`, `webgpu`. */
  readonly device: string;
  readonly graphs: Readonly<Record<string, { readonly runs: number; readonly seconds: number }>>;
}

/** Where the engine computes, and what lies there. */
export interface EngineState extends ChosenDevice {
  readonly allocatedBytes: number;
  /** GLIBC_TUNABLES of its process; null where the C library is another and reads none. */
  readonly memorySettings: string | null;
}

export type FromChild = { readonly activity?: Activity | undefined } & (
  | { readonly kind: 'state'; readonly state: EngineState }
  | { readonly id: number; readonly kind: 'progress'; readonly progress: Progress }
  | { readonly id: number; readonly kind: 'result'; readonly output: unknown }
  | { readonly id: number; readonly kind: 'error'; readonly name: string; readonly message: string }
);
