/** Postgres takes 65,535 parameters a statement; past one or two thousand a bigger statement is no faster, only bigger. */
const MAX_PARAMETERS = 2000;

/** A statement is held in memory, and sent as a whole. */
const MAX_CHARACTERS = 2 ** 23;

/** Rows that fit in one statement, batch by batch. */
export function* batches<Row extends object>(rows: readonly Row[]): Generator<Row[]> {
  const size = rowsPerStatement(rows[0]);
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
}

/** Rows that come one by one, as many as fit in one statement; a row that is too big by itself goes alone. */
export async function* streamedBatches<Row extends object>(
  rows: AsyncIterable<Row>,
  charactersOf: (row: Row) => number,
): AsyncGenerator<Row[]> {
  let batch: Row[] = [];
  let characters = 0;
  for await (const row of rows) {
    const more = charactersOf(row);
    if (batch.length > 0 && (batch.length === rowsPerStatement(row) || characters + more > MAX_CHARACTERS)) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(row);
    characters += more;
  }
  if (batch.length > 0) yield batch;
}

function rowsPerStatement(row: object | undefined): number {
  return Math.max(1, Math.floor(MAX_PARAMETERS / Math.max(1, Object.keys(row ?? {}).length)));
}
