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
export type { AttentionMass, InspectedResponse, MeasuredTree } from '@solopo/lm';
