import { sql, type RawBuilder } from 'kysely';

/** Columns of a table with their Postgres types. */
export type ColumnTypes = Readonly<Record<string, 'text' | 'integer' | 'bytea' | 'boolean' | 'real'>>;

const ROWS = 1000;

/** Rows of one statement, which holds an array of each column. */
export function* arrayBatches<Row>(rows: readonly Row[]): Generator<readonly Row[]> {
  for (let at = 0; at < rows.length; at += ROWS) yield rows.slice(at, at + ROWS);
}

export function columnsOf<Types extends ColumnTypes>(types: Types): readonly (keyof Types & string)[] {
  return Object.keys(types);
}

/**
 * Rows as what a statement selects, in the order of the types: a parameter for each column, however many rows there are. To build and
 * to parse a parameter of each value takes longer than to insert it.
 */
export function unnested<Types extends ColumnTypes>(
  types: Types,
  rows: readonly Readonly<Record<keyof Types, unknown>>[],
): RawBuilder<unknown> {
  const arrays = Object.entries(types).map(([name, type]) => sql`${rows.map((row) => row[name])}::${sql.raw(type)}[]`);
  return sql`select * from unnest(${sql.join(arrays)})`;
}
