export { Engine, type RunOptions } from './engine.ts';
export { TaskRunner } from './task-runner.ts';
export type {
  ModelSource,
  Progress,
  ScoredTrees,
  TaskName,
  Tasks,
  TrainSliceInput,
  TrainSliceOutput,
} from './tasks.ts';
export type { MeasuredTree } from '@solopo/lm';
