export { Engine, type EngineOptions, type RunOptions, type TaskReport } from './engine.ts';
export { TaskRunner } from './task-runner.ts';
export type {
  Activity,
  ModelSource,
  Progress,
  ScoredTrees,
  TaskName,
  Tasks,
  TrainSliceInput,
  TrainSliceOutput,
} from './tasks.ts';
export type { MeasuredTree } from '@solopo/lm';
