import { h } from '../dom.js';

/** The way back: `[['Runs', '#/'], ['solo', '#/runs/1']]`. */
export function crumbs(...links) {
  return h(
    'nav',
    { class: 'crumbs', 'aria-label': 'Breadcrumb' },
    links.flatMap(([name, href], index) => [
      index > 0 && h('span', { 'aria-hidden': 'true' }, '/'),
      href === undefined ? h('code', {}, name) : h('a', { href }, name),
    ]),
  );
}

/** The head of a table: one name a column. */
export const tableHead = (names) =>
  h(
    'thead',
    {},
    h(
      'tr',
      {},
      names.map((name) => h('th', { scope: 'col' }, name)),
    ),
  );
