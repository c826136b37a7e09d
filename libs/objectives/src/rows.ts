/** The four rows of a pair: a response (chosen w, rejected l) under a context (short, long). */
export const ROWS = ['shortChosen', 'shortRejected', 'longChosen', 'longRejected'] as const;
export type Row = (typeof ROWS)[number];

/** A context's own tokens, which an objective may score too. */
export type Prompt = 'shortPrompt' | 'longPrompt';

/** One row's log-probabilities, summed over its `tokens` response tokens. */
export interface RowLogps {
  /** sum_t log pi(y_t | x, y_<t) */
  readonly policy: number;
  /** sum_t log pi_ref(y_t | x, y_<t); read only where the objective needs it. */
  readonly reference?: number;
  /** sum_t KL(pi(. | x, y_<t) || pi_ref(. | x_short, y_<t)); read only where the objective needs it. */
  readonly kl?: number;
  readonly tokens: number;
}

export type Rows = Readonly<Partial<Record<Row | Prompt, RowLogps>>>;

export class MissingRowError extends Error {
  override readonly name = 'MissingRowError';
}

export function rowOf(rows: Rows, row: Row | Prompt): RowLogps {
  const found = rows[row];
  if (!found)
    throw new MissingRowError(
      `the objective reads row "${row}", which was not run; run every row that rowsRead() and promptRead() name`,
    );
  return found;
}

/** A row with its reference. */
export function scoredRowOf(rows: Rows, row: Row): ScoredRow {
  const found = rowOf(rows, row);
  const { reference } = found;
  if (reference === undefined) {
    throw new MissingRowError(
      `the objective reads the reference of row "${row}", which was not scored; score every row that referenceRowsRead() names`,
    );
  }
  return { ...found, reference };
}

/** A row with its divergence from the teacher. */
export function distilledRowOf(rows: Rows, row: Row): RowLogps & { readonly kl: number } {
  const found = rowOf(rows, row);
  const { kl } = found;
  if (kl === undefined)
    throw new MissingRowError(
      `the objective reads how far row "${row}" is from its teacher, which was not run; run the teacher on the answer that teacherRead() names`,
    );
  return { ...found, kl };
}

export type ScoredRow = RowLogps & { readonly reference: number };
