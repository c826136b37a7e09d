import { fill, h, svg } from '../dom.js';
import { percent, points, short, whole } from '../format.js';

const HEIGHT = 260;
const SIDES = { top: 16, right: 16, bottom: 44, left: 40 };

/** Accuracy by context length before and after, with 95 % intervals; and the same as a table. */
export function accuracyChart(signal) {
  const place = h('div', { class: 'accuracy-plot' });
  const table = h('div', {
    class: 'table-scroll',
    tabindex: 0,
    role: 'region',
    'aria-label': 'Accuracy by context length: values',
  });
  const empty = h('p', { class: 'chart-empty' }, 'Not evaluated yet');
  const element = h(
    'section',
    { class: 'card accuracy', 'aria-labelledby': 'accuracy-title' },
    h(
      'header',
      {},
      h('h2', { id: 'accuracy-title' }, 'Accuracy by context length'),
      h('p', { class: 'hint' }, 'The model before and after training, on held-out questions; bars are 95 % intervals'),
    ),
    h(
      'ul',
      { class: 'legend' },
      h('li', {}, h('i', { style: { '--line': 'var(--base)' } }), 'base model'),
      h('li', {}, h('i', { style: { '--line': 'var(--policy)' } }), 'trained policy'),
    ),
    h('div', { class: 'accuracy-body' }, h('div', { class: 'chart-place tall' }, place, empty), table),
  );
  let rows = [];

  const draw = () => {
    empty.hidden = rows.length > 0;
    if (rows.length === 0 || place.clientWidth === 0) return fill(place);
    fill(place, drawing(rows, place.clientWidth));
  };
  const resized = new ResizeObserver(draw);
  resized.observe(place);
  signal.addEventListener('abort', () => resized.disconnect());

  return {
    element,
    get isEmpty() {
      return rows.length === 0;
    },
    update(next) {
      rows = next;
      draw();
      fill(table, rows.length > 0 && valuesOf(rows));
    },
  };
}

/** Below it the words of one length run into those of the next. */
const ROOM = 90;

function drawing(rows, width) {
  const hasRoom = (width - SIDES.left - SIDES.right) / rows.length >= ROOM;
  const x = (index) => SIDES.left + ((index + 0.5) * (width - SIDES.left - SIDES.right)) / rows.length;
  const y = (share) => SIDES.top + (1 - share) * (HEIGHT - SIDES.top - SIDES.bottom);
  const line = (key) =>
    rows.flatMap((row, index) => (row[key] === null ? [] : [`${x(index) + SHIFT[key]},${y(row[key].mean)}`])).join(' ');
  const mark = (key) =>
    rows.map((row, index) => {
      if (row[key] === null) return null;
      const { mean, low, high } = row[key];
      const cx = x(index) + SHIFT[key];
      return svg(
        'g',
        {},
        svg('line', { class: 'interval', x1: cx, x2: cx, y1: y(low), y2: y(high) }),
        svg('line', { class: 'interval', x1: cx - 4, x2: cx + 4, y1: y(low), y2: y(low) }),
        svg('line', { class: 'interval', x1: cx - 4, x2: cx + 4, y1: y(high), y2: y(high) }),
        svg('circle', { cx, cy: y(mean), r: 4.5 }, svg('title', {}, percent(mean))),
      );
    });
  const series = (key) => svg('g', { class: `accuracy-${key}` }, svg('polyline', { points: line(key) }), mark(key));
  return svg(
    'svg',
    { width, height: HEIGHT, role: 'img', 'aria-label': describe(rows) },
    [0, 0.25, 0.5, 0.75, 1].map((share) => [
      svg('line', { class: 'grid', x1: SIDES.left, x2: width - SIDES.right, y1: y(share), y2: y(share) }),
      svg('text', { class: 'tick', x: SIDES.left - 8, y: y(share) + 4, 'text-anchor': 'end' }, `${100 * share}`),
    ]),
    rows.map(({ documents, tokens }, index) => [
      svg(
        'text',
        { class: 'tick strong', x: x(index), y: HEIGHT - 24, 'text-anchor': 'middle' },
        hasRoom ? `${documents} documents` : String(documents),
      ),
      svg(
        'text',
        { class: 'tick', x: x(index), y: HEIGHT - 8, 'text-anchor': 'middle' },
        tokens === null || !hasRoom ? '' : `${short(tokens)} tokens`,
      ),
    ]),
    !hasRoom &&
      svg('text', { class: 'tick', x: width / 2, y: HEIGHT - 8, 'text-anchor': 'middle' }, 'documents in the context'),
    series('base'),
    series('policy'),
  );
}

const SHIFT = { base: -7, policy: 7 };

function describe(rows) {
  const one = ({ documents, base, policy }) =>
    `${documents} documents: ${base === null ? 'not yet' : percent(base.mean)} before, ${policy === null ? 'not yet' : percent(policy.mean)} after`;
  return `Accuracy by context length. ${rows.map(one).join('; ')}.`;
}

function valuesOf(rows) {
  return h(
    'table',
    { class: 'figures' },
    h('caption', { class: 'visually-hidden' }, 'Accuracy by context length'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ['Context', 'Before', 'After', 'Difference'].map((name) => h('th', { scope: 'col' }, name)),
      ),
    ),
    h(
      'tbody',
      {},
      rows.map(({ documents, n, base, policy, difference }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, `${documents} documents`, h('small', {}, `${whole(n)} questions`)),
          share(base),
          share(policy),
          difference === null
            ? h('td', {}, '–')
            : h(
                'td',
                { class: difference.separated ? (difference.difference > 0 ? 'better' : 'worse') : '' },
                points(difference.difference),
                h('small', {}, `${points(difference.low)} to ${points(difference.high)}`),
                !difference.separated && h('small', {}, 'not separated'),
              ),
        ),
      ),
    ),
  );
}

function share(interval) {
  if (interval === null) return h('td', {}, '–');
  return h('td', {}, percent(interval.mean), h('small', {}, `${percent(interval.low)} to ${percent(interval.high)}`));
}
