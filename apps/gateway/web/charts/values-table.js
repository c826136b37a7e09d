import { fill, h } from '../dom.js';
import { metric } from '../format.js';

const MAX_ROWS = 400;

/** The values of a chart for people who cannot see it: built when opened, kept up to date while it is open. */
export function valuesTable(title, read) {
  const place = h('div', { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': `${title}: values` });
  const element = h('details', { class: 'values', ontoggle: () => update() }, h('summary', {}, 'Values'), place);

  const update = () => {
    if (!element.open) return;
    const { steps, columns } = read();
    const every = Math.max(1, Math.ceil(steps.length / MAX_ROWS));
    const rows = steps
      .map((step, index) => [step, index])
      .filter(([, index]) => index % every === 0 || index === steps.length - 1);
    fill(
      place,
      h(
        'table',
        { class: 'figures' },
        h('caption', {}, every === 1 ? `${title}, by step` : `${title}, every ${every} steps`),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, 'Step'),
            columns.map(({ label }) => h('th', { scope: 'col' }, label)),
          ),
        ),
        h(
          'tbody',
          {},
          rows.map(([step, index]) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, String(step)),
              columns.map(({ values }) => h('td', {}, metric(values[index]))),
            ),
          ),
        ),
      ),
    );
  };
  return { element, update };
}
