import type { StageSpecOf } from '@solopo/contracts';
import {
  alignmentMetrics,
  contextTerm,
  longLossBound,
  rewardOf,
  rowOf,
  type ResponseStatistics,
  type Row,
  type Rows,
} from '@solopo/objectives';

/** A pair that is never trained on, as a policy version sees it. */
export interface HeldOutPair {
  /** Of what was measured: both answers, or the chosen one where there is no other. */
  readonly statistics: Readonly<Record<'shortChosen' | 'longChosen', ResponseStatistics>> &
    Readonly<Partial<Record<Row, ResponseStatistics>>>;
  /** What the objective reads: the rows with their references, and the short prompt where it is scored. */
  readonly rows: Rows;
  /** log pi(y_w | the question alone): what the answer owes to no context. */
  readonly probe: ResponseStatistics;
}

/**
 * One pair's figures. TRL's names with `eval_` are of the short context, whatever the arm trains on, so that arms compare.
 * Margins and accuracies of the objective's own rewards, each against its own reference, are `solo/margin_short` and
 * `solo/margin_long`, `solo/accuracy_short` and `solo/accuracy_long`. An answer alone has neither margin nor loss here: its divergence
 * asks for the teacher's whole distributions.
 */
export function heldOutPairMetrics(
  options: Pick<StageSpecOf<'align'>, 'objective' | 'alignment'>,
  { rows, probe }: HeldOutPair,
): Record<string, number> {
  const { objective } = options;
  const ofAnswer = {
    ...alignmentMetrics(options, rows),
    'solo/logp_no_context_per_token': probe.logp / probe.tokens,
  };
  if (objective.kind === 'distil') return { 'eval_logps/chosen': rowOf(rows, 'shortChosen').policy, ...ofAnswer };
  const short = contextTerm(options, rows, 'short');
  // Preference alone: ORPO's likelihood is on the short context.
  const long = contextTerm(withoutLikelihood(options), rows, 'long');
  const reward = (row: Row): number => rewardOf(objective, rows, row).value;
  const marginShort = reward('shortChosen') - reward('shortRejected');
  const marginLong = reward('longChosen') - reward('longRejected');
  const bound = longLossBound(objective, rows);
  return {
    eval_loss: short.loss,
    ...Object.fromEntries(Object.entries(short.metrics).map(([name, value]) => [`eval_${name}`, value])),
    ...ofAnswer,
    'solo/margin_short': marginShort,
    'solo/accuracy_short': marginShort > 0 ? 1 : 0,
    'solo/loss_long': long.loss,
    'solo/margin_long': marginLong,
    'solo/accuracy_long': marginLong > 0 ? 1 : 0,
    ...(bound ? { 'solo/bound': bound.bound, 'solo/bound_slack': bound.slack } : {}),
  };
}

function withoutLikelihood({
  objective,
}: Pick<StageSpecOf<'align'>, 'objective'>): Pick<StageSpecOf<'align'>, 'objective'> {
  return { objective: objective.kind === 'orpo' ? { ...objective, nll: 'response', nllWeight: 0 } : objective };
}
