/** `@solopo/lm/model-folder`: what can be said of a model without a numeric engine. */
export { inspectModelFiles, type ModelFiles } from './check-model-files.ts';
export {
  checkFolder,
  SAMPLE_TEXT,
  type FolderCheck,
  type Ignored,
  type TextCheck,
} from './folder-check/folder-check.ts';
export type { ForeignModel } from './folder-check/foreign-model.ts';
export { frozenWeightsOf, type FrozenWeights } from './frozen-weights.ts';
export { parseModelConfig, type ModelConfig } from './model-config.ts';
export { readModelConfig, weightTensors } from './model-folder.ts';
export { formatAdapterConfig, modulesInFile, parseAdapterConfig } from './adapter-config.ts';
export { LORA_TARGETS, type LoraOptions } from './lora.ts';
export { ModelError } from './model.error.ts';
export { modelParameters, parameterCount } from './parameters.ts';
