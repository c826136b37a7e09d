import type { Judge } from '@solopo/contracts';
import { exact } from './exact.judge.ts';
import { subEm } from './sub-em.judge.ts';

const JUDGES: Record<Judge, (text: string, answers: readonly string[]) => boolean> = { exact, 'sub-em': subEm };

/** Whether a response is right, by the rule that the configuration names. */
export function judge(rule: Judge, text: string, answers: readonly string[]): boolean {
  return JUDGES[rule](text, answers);
}
