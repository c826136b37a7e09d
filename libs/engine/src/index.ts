export type { EngineOptions } from './child.options.ts';
export { Engine, type RunOptions } from './engine.ts';
export { TaskRunner, type TaskRunnerOptions } from './task-runner.ts';
export type {
  EngineState,
  ModelSource,
  Progress,
  ScoredTrees,
  TaskName,
  Tasks,
  TrainSliceInput,
  TrainSliceOutput,
} from './tasks.ts';
export type { AttentionMass, InspectedResponse, MeasuredTree } from '@solopo/lm';
