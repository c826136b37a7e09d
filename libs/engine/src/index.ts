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
export type { MeasuredTree } from '@solopo/lm';
