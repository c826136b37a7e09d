import { alignment, type AlignmentTerm } from './alignment.ts';
import { rewardOf, type ObjectiveOptions } from './objective.ts';
import { rowOf, scoredRowOf, type Rows } from './rows.ts';

type Aligned = Pick<ObjectiveOptions, 'objective' | 'alignment'>;

/** One response's alignment, whatever the arm, with both rewards. */
export function alignResponse(
  { objective, alignment: options }: Aligned,
  rows: Rows,
  response: 'chosen' | 'rejected',
): AlignmentTerm & { readonly rewardShort: number; readonly rewardLong: number } {
  const [shortRow, longRow] =
    response === 'chosen' ? (['shortChosen', 'longChosen'] as const) : (['shortRejected', 'longRejected'] as const);
  const short = rewardOf(objective, rows, shortRow);
  // With a shared reference the long row is measured from where the short one is.
  const isShared = objective.kind === 'dpo' && options.reference === 'shared';
  const long = isShared
    ? rewardOf(
        objective,
        { [longRow]: { ...rowOf(rows, longRow), reference: scoredRowOf(rows, shortRow).reference } },
        longRow,
      )
    : rewardOf(objective, rows, longRow);
  const term = alignment(options, { response, short, long, tokens: rowOf(rows, shortRow).tokens });
  return { ...term, rewardShort: short.value, rewardLong: long.value };
}

/** The chosen response's alignment in figures: also for held-out pairs of arms that do not train on it. */
export function alignmentMetrics(options: Aligned, rows: Rows): Record<string, number> {
  const { rewardShort, rewardLong, gap } = alignResponse(options, rows, 'chosen');
  const [short, long] = [rowOf(rows, 'shortChosen'), rowOf(rows, 'longChosen')];
  return {
    'solo/r_short_chosen': rewardShort,
    'solo/r_long_chosen': rewardLong,
    'solo/gap_abs': Math.abs(gap),
    'solo/gap_signed': gap,
    'solo/logp_short_per_token': short.policy / short.tokens,
    'solo/logp_long_per_token': long.policy / long.tokens,
    'solo/logp_gap_per_token': short.policy / short.tokens - long.policy / long.tokens,
  };
}
