import { softplus } from './numbers.ts';
import { marginLoss, rewardOf, type ObjectiveOptions, type PreferenceObjective } from './objective.ts';
import { alignmentMetrics, alignResponse } from './pair-alignment.ts';
import { distilLoss } from './distil.ts';
import { distilledRowOf, rowOf, scoredRowOf, type Prompt, type Row, type Rows } from './rows.ts';
import { alignedResponses, trainedContext } from './rows-read.ts';
import { negativeLogLikelihood } from './sft.ts';

/**
 * What one pair contributes: values, and the derivative of the loss with respect to each row's summed log-probability; where the
 * objective distils, with respect to its summed divergence from the teacher.
 */
export interface PairTerm {
  /** L_PO + L_RA */
  readonly loss: number;
  readonly gradients: Readonly<Partial<Record<Row | Prompt, number>>>;
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * The loss of one pair. Metric names are TRL's; `solo/*` are the alignment's own.
 *
 * @param aligned whether the pair is of the aligned fraction
 */
export function pairTerm(options: ObjectiveOptions, rows: Rows, { aligned = true } = {}): PairTerm {
  const main = contextTerm(options, rows, trainedContext(options));
  const responses = alignedResponses(options.arm);
  if (responses.length === 0) return { ...main, metrics: { ...main.metrics, 'solo/loss_po': main.loss } };

  const gradients = { ...main.gradients };
  let loss = 0;
  for (const response of aligned ? responses : []) {
    const term = alignResponse(options, rows, response);
    const [short, long] = [rowName('short', response), rowName('long', response)];
    gradients[short] = (gradients[short] ?? 0) + term.dShort;
    gradients[long] = term.dLong;
    loss += term.loss;
  }
  return {
    loss: main.loss + loss,
    gradients,
    metrics: {
      ...main.metrics,
      'solo/loss_po': main.loss,
      'solo/loss_ra': loss,
      ...(aligned ? alignmentMetrics(options, rows) : {}),
    },
  };
}

/** The objective under one context, without alignment. */
export function contextTerm(
  { objective }: Pick<ObjectiveOptions, 'objective'>,
  rows: Rows,
  context: 'short' | 'long',
): PairTerm {
  const [chosen, rejected] = [rowName(context, 'chosen'), rowName(context, 'rejected')];
  if (objective.kind === 'sft') {
    const { policy } = rowOf(rows, chosen);
    const { loss, slope } = negativeLogLikelihood([rowOf(rows, chosen)]);
    return { loss, gradients: { [chosen]: slope }, metrics: { 'logps/chosen': policy, nll_loss: loss } };
  }
  if (objective.kind === 'distil') {
    const row = distilledRowOf(rows, chosen);
    const { loss, slope } = distilLoss(row);
    return { loss, gradients: { [chosen]: slope }, metrics: { 'logps/chosen': row.policy, kl: loss } };
  }
  const [rewardChosen, rewardRejected] = [rewardOf(objective, rows, chosen), rewardOf(objective, rows, rejected)];
  const margin = rewardChosen.value - rewardRejected.value;
  const { loss, slope } = marginLoss(objective, margin);
  const gradients: Partial<Record<Row | Prompt, number>> = {
    [chosen]: slope * rewardChosen.slope,
    [rejected]: -slope * rewardRejected.slope,
  };
  const metrics = preferenceMetrics(objective, rows, chosen, rejected);
  if (objective.kind !== 'orpo') return { loss, gradients, metrics };

  const prompt: Prompt = `${context}Prompt`;
  const scoresPrompt = objective.nll === 'all';
  const likelihood = negativeLogLikelihood([...(scoresPrompt ? [rowOf(rows, prompt)] : []), rowOf(rows, chosen)]);
  const dLikelihood = objective.nllWeight * likelihood.slope;
  return {
    loss: loss + objective.nllWeight * likelihood.loss,
    gradients: {
      ...gradients,
      [chosen]: (gradients[chosen] ?? 0) + dLikelihood,
      ...(scoresPrompt ? { [prompt]: dLikelihood } : {}),
    },
    metrics: {
      ...metrics,
      nll_loss: likelihood.loss,
      // As TRL names them: the logarithm of the sigmoid, and its argument.
      log_odds_ratio: -softplus(-margin),
      log_odds_chosen: margin,
    },
  };
}

export function rowName(context: 'short' | 'long', response: 'chosen' | 'rejected'): Row {
  return `${context}${response === 'chosen' ? 'Chosen' : 'Rejected'}`;
}

/**
 * As TRL prints them: `logps` are sums for DPO, means over the tokens for SimPO and ORPO, and `rewards` are beta times
 * them, for DPO beta times what they are above the reference's. The objective's own rewards are `solo/r_*`.
 */
function preferenceMetrics(
  objective: PreferenceObjective,
  rows: Rows,
  chosenRow: Row,
  rejectedRow: Row,
): Record<string, number> {
  const [chosen, rejected] = [rowOf(rows, chosenRow), rowOf(rows, rejectedRow)].map(({ policy, tokens }) =>
    objective.kind === 'dpo' ? policy : policy / tokens,
  ) as [number, number];
  const [referenceChosen, referenceRejected] =
    objective.kind === 'dpo'
      ? [scoredRowOf(rows, chosenRow).reference, scoredRowOf(rows, rejectedRow).reference]
      : [0, 0];
  const rewardChosen = objective.beta * (chosen - referenceChosen);
  const rewardRejected = objective.beta * (rejected - referenceRejected);
  return {
    'rewards/chosen': rewardChosen,
    'rewards/rejected': rewardRejected,
    'rewards/margins': rewardChosen - rewardRejected,
    'rewards/accuracies': rewardChosen > rewardRejected ? 1 : 0,
    'logps/chosen': chosen,
    'logps/rejected': rejected,
  };
}
