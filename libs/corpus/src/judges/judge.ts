import type { Judge, Normalization } from '@solopo/contracts';
import { exact, exactCharacters } from './exact.judge.ts';
import { subEm, subEmCharacters } from './sub-em.judge.ts';

type Judges = Record<Judge, (text: string, answers: readonly string[]) => boolean>;

const JUDGES: Record<Normalization, Judges> = {
  hotpotqa: { exact, 'sub-em': subEm },
  none: { exact: exactCharacters, 'sub-em': subEmCharacters },
};

export interface JudgeRule {
  readonly judge: Judge;
  /** Absent: none. */
  readonly normalization?: Normalization | undefined;
}

/** Whether a response is right, by the rule that the configuration names. */
export function judge(rule: JudgeRule, text: string, answers: readonly string[]): boolean {
  return JUDGES[rule.normalization ?? 'none'][rule.judge](text, answers);
}
