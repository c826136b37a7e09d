import { oneLine } from '../command-line/printable.ts';

/** One line, or several below each other. */
export type Cell = string | readonly string[];

const GAP = '  ';

/** Columns as wide as their widest line; the first `left` ones to the left, the others to the right. */
export function table(rows: readonly (readonly Cell[])[], left = 1): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? [cell] : cell).map(oneLine)));
  const widths: number[] = [];
  for (const row of cells)
    row.forEach((lines, column) => {
      widths[column] = Math.max(widths[column] ?? 0, ...lines.map(({ length }) => length));
    });
  return cells
    .flatMap((row) => {
      const height = Math.max(...row.map(({ length }) => length));
      return Array.from({ length: height }, (_, line) =>
        row
          .map((lines, column) => {
            const [text, width] = [lines[line] ?? '', widths[column] ?? 0];
            return column < left ? text.padEnd(width) : text.padStart(width);
          })
          .join(GAP)
          .trimEnd(),
      );
    })
    .join('\n');
}
