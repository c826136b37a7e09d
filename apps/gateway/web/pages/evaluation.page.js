import { get } from '../api.js';
import { accuracyChart } from '../charts/accuracy-chart.js';
import { heatMaps } from '../charts/heat-map.js';
import { lineChart } from '../charts/line-chart.js';
import { h } from '../dom.js';
import { accuracyByLength } from '../model/accuracy.js';
import { heatMap } from '../model/heat-map.js';
import { Series } from '../model/series.js';
import { crumbs } from '../parts/crumbs.js';
import { tag } from '../parts/labels.js';
import { perFrame } from '../timing.js';

const FAMILIES = [
  ['solo/accuracy_long', 'Held-out accuracy', [0, 1.02]],
  ['solo/margin_long', 'Held-out margin'],
  ['solo/gap_abs', 'Short-to-long gap'],
  ['solo/logp_gap_per_token', 'Log-probability gap per token'],
];
const GROUP_COLOURS = ['--run-1', '--run-2', '--run-3', '--run-4', '--run-5', '--run-6'];

/** What came of a run: accuracy by length, and by place of the evidence; held-out pairs by both. */
export async function evaluationPage({ id, signal, follow }) {
  const path = `/v1/runs/${encodeURIComponent(id)}`;
  const run = await get(path, signal);
  const accuracy = accuracyChart(signal);
  const heat = heatMaps();
  const heldOut = new Series();
  const groups = h('div', { class: 'charts' });
  let charts = [];
  const draw = perFrame(() => {
    for (const chart of charts) chart.update(run.steps);
  });
  const loadEvaluations = async () => {
    const [evaluations, places] = await Promise.all([
      get(`${path}/evaluations`, signal),
      get(`${path}/evaluations/places`, signal),
    ]);
    accuracy.update(accuracyByLength(evaluations));
    heat.update(heatMap(evaluations, places));
  };
  const take = (views) => {
    for (const view of views) heldOut.put(view.step, view.metrics);
    if (charts.length === 0 && heldOut.steps.length > 0) {
      charts = groupCharts(heldOut, signal);
      groups.append(...charts.map(({ element }) => element));
    }
    section.hidden = charts.length === 0;
    draw();
  };
  const load = async () => {
    const [alignments] = await Promise.all([get(`${path}/alignments`, signal), loadEvaluations()]);
    take(alignments);
  };
  const section = h(
    'section',
    { 'aria-labelledby': 'groups-title' },
    h(
      'h2',
      { id: 'groups-title' },
      'Held-out pairs under the long context, by its length and by place of the evidence',
    ),
    groups,
  );

  await load();
  follow(`${path}/events`, {
    opened: load,
    received: ({ type, data }) => {
      if (type === 'run.alignment') take([data]);
      if (type === 'run.evaluation') loadEvaluations().catch(() => undefined);
    },
  });
  return {
    title: `Evaluation of ${run.config.name}`,
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        crumbs(['Runs', '#/'], [run.config.name, `#/runs/${id}`]),
        h('h1', {}, 'Evaluation'),
        h('p', { class: 'sub' }, tag(run.config.arm, 'arm'), 'Greedy answers to questions that no policy trains on'),
      ),
      accuracy.element,
      heat.element,
      section,
    ),
  };
}

function groupCharts(series, signal) {
  return FAMILIES.flatMap(([family, title, range]) =>
    [
      ['length_le_', 'by length', (group) => `≤ ${group} tokens`],
      ['evidence_', 'by place of the evidence', (group) => group],
    ].map(([prefix, by, name]) => {
      const found = series.names.filter((metric) => metric.startsWith(`${family}/${prefix}`));
      const rank = (metric) => PLACES.indexOf(metric.slice(family.length + 1 + prefix.length));
      const sorted = found.sort(
        (a, b) => rank(a) - rank(b) || Number(a.split('_').at(-1)) - Number(b.split('_').at(-1)),
      );
      const lines = sorted.map((metric, index) => ({
        metric,
        label: name(metric.slice(family.length + 1 + prefix.length)),
        colour: GROUP_COLOURS[index % GROUP_COLOURS.length],
      }));
      return lines.length < 2
        ? null
        : lineChart({ title: `${title}, ${by}`, hint: '', lines, range, sync: 'groups' }, series, signal);
    }),
  ).filter((chart) => chart !== null);
}

const PLACES = ['first', 'middle', 'last'];
