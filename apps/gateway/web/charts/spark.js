import { svg } from '../dom.js';
import { percent } from '../format.js';

const [WIDTH, HEIGHT, PAD] = [80, 34, 4];

/** Accuracy by length before and after, the size of a word. */
export function accuracySpark(rows) {
  const x = (index) => (rows.length === 1 ? WIDTH / 2 : PAD + (index * (WIDTH - 2 * PAD)) / (rows.length - 1));
  const shares = rows.flatMap(({ base, policy }) => [base, policy]).filter((share) => share !== undefined);
  const [low, high] = [Math.min(...shares), Math.max(...shares)];
  const y = (share) => PAD + (high === low ? 0.5 : (high - share) / (high - low)) * (HEIGHT - 2 * PAD);
  const line = (key) =>
    svg(
      'g',
      { class: `accuracy-${key}` },
      svg('polyline', {
        points: rows.flatMap((row, i) => (row[key] === undefined ? [] : [`${x(i)},${y(row[key])}`])).join(' '),
      }),
      rows.map((row, i) => row[key] !== undefined && svg('circle', { cx: x(i), cy: y(row[key]), r: 2 })),
    );
  const text = rows.map(
    ({ documents, base, policy }) =>
      `${documents} documents: ${[base, policy].map((v) => (v === undefined ? '–' : percent(v, 0))).join(' before, ')} after`,
  );
  return svg(
    'svg',
    { class: 'spark', width: WIDTH, height: HEIGHT, role: 'img', 'aria-label': text.join('; ') },
    svg('title', {}, text.join('\n')),
    line('base'),
    line('policy'),
  );
}
