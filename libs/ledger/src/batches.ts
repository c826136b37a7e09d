/** Postgres takes 65,535 parameters a statement; past one or two thousand a bigger statement is no faster, only bigger. */
const MAX_PARAMETERS = 2000;

/** Rows that fit in one statement, batch by batch. */
export function* batches<Row extends object>(rows: readonly Row[]): Generator<Row[]> {
  const columns = Object.keys(rows[0] ?? {}).length;
  const size = Math.max(1, Math.floor(MAX_PARAMETERS / Math.max(1, columns)));
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
}
