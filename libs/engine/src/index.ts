export type { EngineOptions, RankOptions } from './child.options.ts';
export { Engine, type EngineKinds, type EngineListeners, type RunOptions, type TaskReport } from './engine.ts';
export { memorySettings } from './memory-settings.ts';
export { TaskRunner } from './task-runner.ts';
export { PROTOCOL, TORCH_PACKAGE, type Hello, type TorchOptions } from './torch.process.ts';
export type {
  Activity,
  EngineState,
  ModelSource,
  Progress,
  ScoredTrees,
  TakenStep,
  TaskName,
  Tasks,
  TrainSliceInput,
  TrainSliceOutput,
} from './tasks.ts';
export { frozenWeightsOf, PhaseClock, type PhaseSeconds } from '@solopo/lm';
export type { AttentionMass, InspectedResponse, MeasuredTree } from '@solopo/lm';
