import { fill, h } from '../dom.js';
import { percent, points } from '../format.js';
import { PART_NAMES } from '../model/heat-map.js';

const MAPS = [
  {
    key: 'before',
    title: 'Before',
    hint: 'The base model',
    text: ({ mean }) => percent(mean, 0),
    tell: ({ low, high, n }) => `${percent(low)} to ${percent(high)}, ${n} questions`,
    style: ({ mean }) => ({ '--heat': `${Math.round(100 * mean)}%` }),
    kind: () => 'share',
  },
  {
    key: 'after',
    title: 'After',
    hint: 'The trained policy',
    text: ({ mean }) => percent(mean, 0),
    tell: ({ low, high, n }) => `${percent(low)} to ${percent(high)}, ${n} questions`,
    style: ({ mean }) => ({ '--heat': `${Math.round(100 * mean)}%` }),
    kind: () => 'share',
  },
  {
    key: 'difference',
    title: 'Difference',
    hint: 'In points; faint where the 95 % interval holds 0',
    text: ({ difference }) => points(difference),
    tell: ({ low, high, separated }) => `${points(low)} to ${points(high)}${separated ? '' : ', not separated'}`,
    style: ({ difference }) => ({ '--heat': `${Math.min(100, Math.round(200 * Math.abs(difference)))}%` }),
    kind: ({ difference, separated }) => `${difference < 0 ? 'worse' : 'better'}${separated ? '' : ' faint'}`,
  },
];

/** Context length by place of the evidence: tables whose ground says what their figures say. */
export function heatMaps() {
  const place = h('div', { class: 'heat-maps' });
  const element = h(
    'section',
    { class: 'card heat', 'aria-labelledby': 'heat-title' },
    h(
      'header',
      {},
      h('h2', { id: 'heat-title' }, 'Accuracy by place of the evidence'),
      h(
        'p',
        { class: 'hint' },
        'Rows: documents in the context. Columns: where in it the evidence stands, from its start',
      ),
    ),
    place,
  );
  return {
    element,
    update(rows) {
      fill(
        place,
        rows.length === 0
          ? h('p', { class: 'chart-empty still' }, 'Not evaluated yet')
          : MAPS.map((map) => table(map, rows)),
      );
    },
  };
}

function table({ key, title, hint, text, tell, style, kind }, rows) {
  return h(
    'div',
    { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': `${title}: accuracy by place of the evidence` },
    h(
      'table',
      { class: `heat-map ${key}` },
      h('caption', {}, h('b', {}, title), ' ', h('span', { class: 'sub' }, hint)),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, h('span', { class: 'visually-hidden' }, 'Documents')),
          PART_NAMES.map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map(({ documents, cells }) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, String(documents), h('span', { class: 'visually-hidden' }, ' documents')),
            cells.map(({ [key]: value }) =>
              value === null
                ? h('td', { class: 'none' }, '–')
                : h(
                    'td',
                    { class: kind(value), style: style(value), title: tell(value) },
                    text(value),
                    h('span', { class: 'visually-hidden' }, ` (${tell(value)})`),
                  ),
            ),
          ),
        ),
      ),
    ),
  );
}
