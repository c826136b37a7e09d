/**
 * Columns added up, each on those before it: what areas one on the other are drawn by. What was not measured adds nothing;
 * where nothing was measured there is nothing.
 *
 * @param {readonly (readonly (number | null)[])[]} columns
 * @returns {(number | null)[][]}
 */
export function stack(columns) {
  const sums = (columns[0] ?? []).map((_, place) => (columns.some((column) => column[place] !== null) ? 0 : null));
  return columns.map((column) => {
    column.forEach((value, place) => {
      if (sums[place] !== null) sums[place] += value ?? 0;
    });
    return [...sums];
  });
}
