import type { AlignmentOptions } from './alignment.ts';
import type { DistilOptions } from './distil.ts';
import { dpoLoss, dpoReward, type DpoOptions } from './dpo.ts';
import { orpoLoss, orpoReward, type OrpoOptions } from './orpo.ts';
import type { MarginLoss, Reward } from './reward.ts';
import { rowOf, scoredRowOf, type Row, type Rows } from './rows.ts';
import { sftReward, type SftOptions } from './sft.ts';
import { simpoLoss, simpoReward, type SimpoOptions } from './simpo.ts';

export type Arm = 'sft' | 'short' | 'long' | 'expand-long' | 'solo' | 'solo-both' | 'distil';
export type Objective = DpoOptions | SimpoOptions | OrpoOptions | SftOptions | DistilOptions;
export type PreferenceObjective = Exclude<Objective, SftOptions | DistilOptions>;

/** Whether it prefers one answer to another: the others read the chosen one alone. */
export function isPreference(objective: Objective): objective is PreferenceObjective {
  return objective.kind !== 'sft' && objective.kind !== 'distil';
}

export interface ObjectiveOptions {
  readonly arm: Arm;
  readonly objective: Objective;
  readonly alignment: AlignmentOptions;
}

/** r(x, y) of the objective; DPO reads the row's own reference. */
export function rewardOf(objective: Objective, rows: Rows, row: Row): Reward {
  switch (objective.kind) {
    case 'dpo':
      return dpoReward(objective, scoredRowOf(rows, row));
    case 'simpo':
      return simpoReward(objective, rowOf(rows, row));
    case 'orpo':
      return orpoReward(rowOf(rows, row));
    case 'sft':
    case 'distil':
      return sftReward(rowOf(rows, row));
  }
}

/** The preference loss of a margin r_w - r_l: for ORPO, without its likelihood. */
export function marginLoss(objective: PreferenceObjective, margin: number): MarginLoss {
  switch (objective.kind) {
    case 'dpo':
      return dpoLoss(objective, margin);
    case 'simpo':
      return simpoLoss(objective, margin);
    case 'orpo':
      return orpoLoss(objective, margin);
  }
}
