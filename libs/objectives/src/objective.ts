import { alignment, type AlignmentOptions } from './alignment.ts';
import { dpo } from './dpo.ts';
import { referenceOf, rowOf, type Row, type Rows } from './rows.ts';

export interface ObjectiveOptions {
  readonly arm: 'short' | 'expand-long' | 'solo';
  readonly objective: { readonly kind: 'dpo'; readonly beta: number };
  readonly alignment: AlignmentOptions;
}

/** What one pair contributes: values, and the derivative of the loss with respect to each row's summed log-probability. */
export interface PairTerm {
  /** L_PO + L_RA */
  readonly loss: number;
  readonly gradients: Readonly<Partial<Record<Row, number>>>;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Rows that the policy must run. */
export function rowsRead({ arm }: Pick<ObjectiveOptions, 'arm'>): readonly Row[] {
  switch (arm) {
    case 'short':
      return ['shortChosen', 'shortRejected'];
    case 'expand-long':
      return ['longChosen', 'longRejected'];
    case 'solo':
      return ['shortChosen', 'shortRejected', 'longChosen'];
  }
}

/** Rows of the frozen reference: exactly those whose reference log-probability enters a reward. */
export function referenceRowsRead(options: Pick<ObjectiveOptions, 'arm' | 'alignment'>): readonly Row[] {
  if (options.arm !== 'solo') return rowsRead(options);
  return options.alignment.reference === 'shared'
    ? ['shortChosen', 'shortRejected']
    : ['shortChosen', 'shortRejected', 'longChosen'];
}

/** The loss of one pair. Metric names are TRL's; `solo/*` are the alignment's own. */
export function pairTerm(options: ObjectiveOptions, rows: Rows): PairTerm {
  const {
    arm,
    objective: { beta },
  } = options;
  const [chosenRow, rejectedRow] =
    arm === 'expand-long' ? (['longChosen', 'longRejected'] as const) : (['shortChosen', 'shortRejected'] as const);
  const chosen = rowOf(rows, chosenRow);
  const rejected = rowOf(rows, rejectedRow);
  const po = dpo(
    beta,
    { policy: chosen.policy, reference: referenceOf(rows, chosenRow) },
    { policy: rejected.policy, reference: referenceOf(rows, rejectedRow) },
  );
  const gradients: Partial<Record<Row, number>> = { [chosenRow]: po.dChosen, [rejectedRow]: po.dRejected };
  const metrics: Record<string, number> = {
    'rewards/chosen': po.rewardChosen,
    'rewards/rejected': po.rewardRejected,
    'rewards/margins': po.rewardChosen - po.rewardRejected,
    'rewards/accuracies': po.rewardChosen > po.rewardRejected ? 1 : 0,
    'logps/chosen': chosen.policy,
    'logps/rejected': rejected.policy,
    'solo/loss_po': po.loss,
  };
  if (arm !== 'solo') return { loss: po.loss, gradients, metrics };

  const gap = alignmentOf(options, rows);
  gradients.shortChosen = (gradients.shortChosen ?? 0) + gap.dShort;
  gradients.longChosen = gap.dLong;
  return {
    loss: po.loss + gap.loss,
    gradients,
    metrics: { ...metrics, 'solo/loss_ra': gap.loss, ...gap.metrics },
  };
}

/** The alignment of one pair, whatever the arm: also for held-out pairs of arms that do not train on it. */
export function alignmentOf({ objective: { beta }, alignment: options }: Omit<ObjectiveOptions, 'arm'>, rows: Rows) {
  const short = rowOf(rows, 'shortChosen');
  const long = rowOf(rows, 'longChosen');
  const referenceShort = referenceOf(rows, 'shortChosen');
  const referenceLong = options.reference === 'shared' ? referenceShort : referenceOf(rows, 'longChosen');
  const rewardShort = beta * (short.policy - referenceShort);
  const rewardLong = beta * (long.policy - referenceLong);
  const term = alignment(options, { rewardShort, rewardLong, slope: beta, tokens: short.tokens });
  return {
    ...term,
    metrics: {
      'solo/r_short_chosen': rewardShort,
      'solo/r_long_chosen': rewardLong,
      'solo/gap_abs': Math.abs(term.gap),
      'solo/gap_signed': term.gap,
      'solo/logp_gap_per_token': short.policy / short.tokens - long.policy / long.tokens,
    },
  };
}
