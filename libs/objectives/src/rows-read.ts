import { isPreference, type Arm, type ObjectiveOptions } from './objective.ts';
import type { Prompt, Row } from './rows.ts';

type Trained = Pick<ObjectiveOptions, 'arm' | 'objective'>;

/** The context that the preference, or the likelihood, is trained on. */
export function trainedContext({ arm, objective }: Trained): 'short' | 'long' {
  if (objective.kind === 'sft') return objective.context;
  return arm === 'long' || arm === 'expand-long' || objective.kind === 'distil' ? 'long' : 'short';
}

/** The responses whose long rewards the arm aligns with their short ones. */
export function alignedResponses(arm: Arm): readonly ('chosen' | 'rejected')[] {
  switch (arm) {
    case 'solo':
      return ['chosen'];
    case 'solo-both':
      return ['chosen', 'rejected'];
    default:
      return [];
  }
}

/**
 * Rows that the policy must run.
 *
 * @param aligned whether the pair is of the aligned fraction; others are trained on their short rows alone
 */
export function rowsRead(options: Trained, aligned = true): readonly Row[] {
  const context = trainedContext(options);
  if (!isPreference(options.objective)) return [`${context}Chosen`];
  const long = aligned ? alignedResponses(options.arm) : [];
  return [
    `${context}Chosen`,
    `${context}Rejected`,
    ...long.map((response) => (response === 'chosen' ? 'longChosen' : 'longRejected')),
  ];
}

/** How many of a context's last tokens have a gradient, beside the responses': all but where alignment alone reads a long one. */
export function trainedTail({ arm, alignment }: ObjectiveOptions, context: 'short' | 'long'): number {
  const { backward = 'full' } = alignment;
  if (context === 'short' || alignedResponses(arm).length === 0 || backward === 'full') return Infinity;
  return backward === 'response' ? 1 : backward.tail;
}

/** The context whose own tokens are scored too, if any. */
export function promptRead(options: Trained): Prompt | null {
  const { objective } = options;
  return objective.kind === 'orpo' && objective.nll === 'all' ? `${trainedContext(options)}Prompt` : null;
}

/** The row on which the frozen reference is the teacher of the trained one, if any. */
export function teacherRead({ objective }: Pick<ObjectiveOptions, 'objective'>): 'shortChosen' | null {
  return objective.kind === 'distil' ? 'shortChosen' : null;
}

/** Rows of the frozen reference: exactly those whose reference log-probability enters a reward. */
export function referenceRowsRead(options: ObjectiveOptions, aligned = true): readonly Row[] {
  if (options.objective.kind !== 'dpo') return [];
  return rowsRead(options, aligned && options.alignment.reference === 'per-context');
}
