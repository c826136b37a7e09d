export { alignment, type AlignmentOptions, type AlignmentTerm } from './alignment.ts';
export { dpo, sigmoid, softplus, type DpoTerm } from './dpo.ts';
export {
  alignmentOf,
  pairTerm,
  referenceRowsRead,
  rowsRead,
  type ObjectiveOptions,
  type PairTerm,
} from './objective.ts';
export { MissingRowError, ROWS, type Row, type RowLogps, type Rows } from './rows.ts';
