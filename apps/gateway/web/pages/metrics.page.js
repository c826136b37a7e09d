import { get } from '../api.js';
import { lineChart } from '../charts/line-chart.js';
import { fill, h, setText } from '../dom.js';
import { Series } from '../model/series.js';
import { crumbs } from '../parts/crumbs.js';
import { perFrame } from '../timing.js';

const STEPS_AT_ONCE = 10_000;
const SOURCES = [
  ['steps', 'training'],
  ['alignments', 'held-out pairs'],
];

/** Every metric of a run, by group; a search narrows them down. */
export async function metricsPage({ id, query, signal, follow, go }) {
  const path = `/v1/runs/${encodeURIComponent(id)}`;
  const run = await get(path, signal);
  const series = { steps: new Series(), alignments: new Series() };
  const charts = new Map();
  const body = h('div', { class: 'page-part' });
  const found = h('span', { class: 'where', role: 'status' });
  let search = query.get('search') ?? '';

  const draw = perFrame(() => {
    for (const { element, update } of charts.values()) if (element.isConnected) update(run.steps);
  });
  const chartOf = (source, name) => {
    const key = `${source} ${name}`;
    if (!charts.has(key)) {
      const lines = [{ metric: name, label: 'value', colour: source === 'steps' ? '--short' : '--policy' }];
      charts.set(key, lineChart({ title: name, hint: '', lines, sync: source }, series[source], signal));
    }
    return charts.get(key).element;
  };
  let listed = '';
  const show = () => {
    const wanted = search.toLowerCase();
    const groups = SOURCES.flatMap(([source, title]) => {
      const names = series[source].names.filter((name) => name.toLowerCase().includes(wanted)).sort();
      return [...Map.groupBy(names, groupOf)].map(([group, members]) => ({ source, title, group, members }));
    });
    const count = groups.reduce((sum, { members }) => sum + members.length, 0);
    setText(found, `${count} ${count === 1 ? 'metric' : 'metrics'}`);
    const next = groups.map(({ source, members }) => `${source} ${members.join()}`).join(';');
    if (next !== listed || count === 0) {
      listed = next;
      fill(
        body,
        count === 0 && h('p', { class: 'card chart-empty still' }, 'No metric fits; change the search.'),
        groups.map(({ source, title, group, members }, index) =>
          h(
            'details',
            { class: 'metric-group', open: search !== '' || index < 2, ontoggle: draw },
            h('summary', {}, h('h2', {}, group), h('span', { class: 'sub' }, `${title}, ${members.length}`)),
            h(
              'div',
              { class: 'charts' },
              members.map((name) => chartOf(source, name)),
            ),
          ),
        ),
      );
    }
    draw();
  };
  const take = (source, views) => {
    for (const view of views) series[source].put(view.step, view.metrics);
  };
  const load = async () => {
    take('alignments', await get(`${path}/alignments`, signal));
    for (;;) {
      const page = await get(`${path}/steps?after=${series.steps.last}&limit=${STEPS_AT_ONCE}`, signal);
      take('steps', page);
      if (page.length < STEPS_AT_ONCE) break;
    }
    show();
  };

  await load();
  follow(`${path}/events`, {
    opened: load,
    received: ({ type, data }) => {
      if (type === 'run.step') take('steps', [data]);
      else if (type === 'run.alignment') take('alignments', [data]);
      else return;
      show();
    },
  });
  return {
    title: `Metrics of ${run.config.name}`,
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        crumbs(['Runs', '#/'], [run.config.name, `#/runs/${id}`]),
        h('h1', {}, 'All metrics'),
      ),
      h(
        'form',
        { class: 'toolbar', role: 'search', onsubmit: (event) => event.preventDefault() },
        h('input', {
          type: 'search',
          value: search,
          placeholder: 'Search metrics',
          'aria-label': 'Search metrics',
          oninput: (event) => {
            search = event.target.value.trim();
            go(`#/runs/${id}/metrics${search === '' ? '' : `?${new URLSearchParams({ search })}`}`);
            show();
          },
        }),
        found,
      ),
      body,
    ),
  };
}

/** `solo/gap_abs/evidence_first` -> solo, by place of the evidence; `rewards/chosen` -> rewards; `loss` -> training */
function groupOf(name) {
  if (name.includes('/evidence_')) return 'by place of the evidence';
  if (name.includes('/length_le_')) return 'by length';
  const plain = name.replace(/^eval_/, '');
  return plain.includes('/') ? plain.slice(0, plain.indexOf('/')) : 'loss and optimiser';
}
