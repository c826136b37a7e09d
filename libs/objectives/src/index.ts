export {
  alignment,
  type AlignedResponse,
  type AlignmentBackward,
  type AlignmentOptions,
  type AlignmentTerm,
} from './alignment.ts';
export { longLossBound } from './bound.ts';
export { distilLoss, type DistilOptions } from './distil.ts';
export { dpoLoss, dpoReward, type DpoOptions } from './dpo.ts';
export { meanMetrics } from './mean-metrics.ts';
export { log1mexp, sigmoid, softplus } from './numbers.ts';
export {
  isPreference,
  marginLoss,
  rewardOf,
  type Arm,
  type Objective,
  type ObjectiveOptions,
  type PreferenceObjective,
} from './objective.ts';
export { MAX_MEAN_LOGP, orpoLoss, orpoReward, type OrpoOptions } from './orpo.ts';
export { alignmentMetrics, alignResponse } from './pair-alignment.ts';
export { contextTerm, pairTerm, rowName, type PairTerm } from './pair-term.ts';
export type { MarginLoss, Reward } from './reward.ts';
export {
  MissingRowError,
  rowOf,
  ROWS,
  type Prompt,
  type Row,
  type RowLogps,
  type Rows,
  type ScoredRow,
} from './rows.ts';
export {
  alignedResponses,
  promptRead,
  referenceRowsRead,
  rowsRead,
  teacherRead,
  trainedContext,
  trainedTail,
} from './rows-read.ts';
export { negativeLogLikelihood, sftReward, type SftOptions } from './sft.ts';
export { simpoLoss, simpoReward, type SimpoOptions } from './simpo.ts';
export { tokenMetrics, type ResponseStatistics } from './token-metrics.ts';
