export { consume, type Activations } from './activations.ts';
export { AdamW, clipFactor, type AdamWOptions, type OptimizerState } from './adamw.ts';
export { inspectResponse, type AttentionMass, type InspectedResponse, type InspectedRow } from './attention-mass.ts';
export { chooseDevice, type ChosenDevice } from './choose-device.ts';
export { BufferSizeError, DEVICES, DeviceError, DeviceMemoryError, softwareDriver, type Device } from './device.ts';
export {
  FROZEN_WEIGHTS,
  frozenWeightsOf,
  packWeight,
  type FrozenWeights,
  type StoredTensor,
  type StoredTensors,
} from './frozen-weights.ts';
export { freeGradients, readGradients, zeroGradients, type Gradients } from './gradients.ts';
export type { TargetStatistics } from './head.ts';
export { LanguageModel, type Adapter, type LanguageModelOptions } from './language-model.ts';
export { formatAdapterConfig, modulesInFile, parseAdapterConfig } from './adapter-config.ts';
export { mergeByName } from './merge-by-name.ts';
export { adapterParameters, mergeAdapter, type PeftAdapter } from './peft-adapter.ts';
export {
  fromPeftNames,
  initialiseLora,
  LORA_TARGETS,
  loraParameters,
  loraScale,
  mergeLora,
  toPeftNames,
  type LoraOptions,
} from './lora.ts';
export { formatModelConfig, parseModelConfig, type LayerKind, type ModelConfig } from './model-config.ts';
export { modelGraphs } from './model-graphs.ts';
export { GgufModel, type GgufSource } from './gguf/gguf-model.ts';
export type { GgufValue } from './gguf/gguf-file.ts';
export { readLlama2c } from './llama2c.ts';
export { PhaseClock, type PhaseSeconds, type StepPhase } from './phase-clock.ts';
export { LogitsNotFiniteError, ModelError } from './model.error.ts';
export { inspectModelFiles, type ModelFiles } from './check-model-files.ts';
export { checkWeights, modelOf, readModelConfig, readModelFolder, readStoredFolder } from './model-folder.ts';
export { modelParameters, parameterCount } from './parameters.ts';
export {
  LossNotFiniteError,
  PreferenceTrainer,
  type PreferenceOptions,
  type StepResult,
  type TrainingPair,
} from './preference-trainer.ts';
export { Pretrainer, type PretrainOptions, type WeightedSequence } from './pretrainer.ts';
export { measureTrees, type MeasuredTree } from './response-statistics.ts';
export { Pace } from './pace.ts';
export { ParameterStore } from './parameter-store.ts';
export { fallbacks, readPlacements, type Placement } from './placement.ts';
export { Runtime, type RuntimeOptions, type Traffic, type Weights } from './runtime.ts';
export {
  readSafetensors,
  readSafetensorsHeader,
  writeSafetensors,
  type HostTensor,
  type HostTensors,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors.ts';
export type { Prompt, Sample, SamplingOptions } from './answer-stream.ts';
export { sample, type SamplingLimits } from './sampler.ts';
export { SAMPLING_WEIGHTS, type SamplingWeights } from './sampling-weights.ts';
export { learningRateAt, type ScheduleOptions } from './schedule.ts';
export { groupByTokens, inBatches } from './batches.ts';
export { scoreTrees, sumOf } from './scoring.ts';
export {
  outputIndex,
  packSequences,
  packTrees,
  PROMPT_BRANCH,
  treeLength,
  type Tree,
  type TreeBatch,
} from './tree-batch.ts';
export { sumsIntegersExactly } from './integer-products.ts';
export { initialise, type InitialiseOptions } from './initialise.ts';
export { float32, type Tensor } from './tensor.ts';
