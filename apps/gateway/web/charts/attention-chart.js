import { h, svg } from '../dom.js';
import { percent } from '../format.js';
import { tableHead } from '../parts/crumbs.js';

const [WIDTH, HEIGHT] = [560, 230];
const SIDES = { top: 12, right: 12, bottom: 34, left: 44 };
const LINES = [
  { context: 'short', when: 'before', label: 'short, before', class: 'short before' },
  { context: 'short', when: 'after', label: 'short, after', class: 'short after' },
  { context: 'long', when: 'before', label: 'long, before', class: 'long before' },
  { context: 'long', when: 'after', label: 'long, after', class: 'long after' },
];

/**
 * The share of each layer's attention that falls on the evidence, under both contexts, before and after training.
 *
 * @param {object} before  Inspection of the base model.
 * @param {object} after  Inspection of a policy version; the same where only the base is known.
 * @param {{ short: number, long: number }} share  Of the evidence in the prompt's tokens: what even attention would give.
 */
export function attentionChart(before, after, response, share) {
  const inspections = { before, after };
  const lines = LINES.filter(({ when }) => when === 'before' || before !== after).map((line) => ({
    ...line,
    values: inspections[line.when][line.context][response].attention.map(({ evidence }) => evidence),
  }));
  const title = `Attention on the evidence for the ${response} answer`;
  const layers = lines[0].values.length;
  return h(
    'figure',
    { class: 'card attention', 'aria-label': title },
    h(
      'figcaption',
      {},
      h('h3', {}, title),
      h(
        'p',
        { class: 'hint' },
        `By layer, mean over heads and answer tokens. Even attention would give ${percent(share.short)} short and ${percent(share.long)} long`,
      ),
    ),
    h(
      'ul',
      { class: 'legend' },
      lines.map((line) => h('li', { class: line.class }, h('i', {}), line.label)),
    ),
    drawing(lines, layers, title),
    h(
      'details',
      { class: 'values' },
      h('summary', {}, 'Values'),
      h(
        'div',
        { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': `${title}: values` },
        h(
          'table',
          { class: 'figures' },
          h('caption', { class: 'visually-hidden' }, title),
          tableHead(['Layer', ...lines.map(({ label }) => label)]),
          h(
            'tbody',
            {},
            Array.from({ length: layers }, (_, layer) =>
              h(
                'tr',
                {},
                h('th', { scope: 'row' }, String(layer + 1)),
                lines.map(({ values }) => h('td', {}, percent(values[layer]))),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

function drawing(lines, layers, title) {
  const most = Math.max(0.05, ...lines.flatMap(({ values }) => values));
  const top = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1].find((edge) => edge >= most) ?? 1;
  const x = (layer) =>
    SIDES.left + (layers === 1 ? 0.5 : layer / (layers - 1)) * (WIDTH - SIDES.left - SIDES.right - 24) + 12;
  const y = (value) => SIDES.top + (1 - value / top) * (HEIGHT - SIDES.top - SIDES.bottom);
  const every = Math.ceil(layers / 12);
  const told = lines
    .map(({ label, values }) => `${label}: ${values.map((value) => percent(value, 0)).join(', ')}`)
    .join('; ');
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}, by layer. ${told}.` },
    [0, 0.25, 0.5, 0.75, 1].map((share) => [
      svg('line', { class: 'grid', x1: SIDES.left, x2: WIDTH - SIDES.right, y1: y(share * top), y2: y(share * top) }),
      svg(
        'text',
        { class: 'tick', x: SIDES.left - 8, y: y(share * top) + 4, 'text-anchor': 'end' },
        percent(share * top, top < 0.2 ? 1 : 0),
      ),
    ]),
    Array.from({ length: layers }, (_, layer) =>
      layer % every === 0
        ? svg('text', { class: 'tick', x: x(layer), y: HEIGHT - 18, 'text-anchor': 'middle' }, String(layer + 1))
        : null,
    ),
    svg('text', { class: 'tick', x: WIDTH / 2, y: HEIGHT - 3, 'text-anchor': 'middle' }, 'layer'),
    lines.map((line) =>
      svg(
        'g',
        { class: `attention-line ${line.class}` },
        svg('polyline', { points: line.values.map((value, layer) => `${x(layer)},${y(value)}`).join(' ') }),
        line.values.map((value, layer) =>
          svg(
            'circle',
            { cx: x(layer), cy: y(value), r: 3.5 },
            svg('title', {}, `${line.label}, layer ${layer + 1}: ${percent(value)}`),
          ),
        ),
      ),
    ),
  );
}
