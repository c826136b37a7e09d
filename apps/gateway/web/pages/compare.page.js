import { get } from '../api.js';
import { lineChart } from '../charts/line-chart.js';
import { fill, h, setText } from '../dom.js';
import { duration, NONE, percent, short, whole } from '../format.js';
import { accuracyByLength } from '../model/accuracy.js';
import { Series } from '../model/series.js';
import { tableHead } from '../parts/crumbs.js';
import { objectiveText, stateLabel, tag } from '../parts/labels.js';
import { perFrame } from '../timing.js';

const STEPS_AT_ONCE = 10_000;
const MOST = 6;
const COLOURS = ['--run-1', '--run-2', '--run-3', '--run-4', '--run-5', '--run-6'];
const SOURCES = [
  {
    key: 'steps',
    title: 'Training, by step',
    first: ['loss', 'rewards/margins', 'rewards/accuracies', 'solo/gap_abs', 'grad_norm'],
  },
  {
    key: 'alignments',
    title: 'Held-out pairs, by policy version',
    first: ['solo/margin_long', 'solo/accuracy_long', 'solo/gap_abs', 'solo/logp_gap_per_token'],
  },
];

/** Several runs in one chart: which, and by what, is kept in the address. */
export async function comparePage({ query, signal, follow, go, announce }) {
  const runs = await get('/v1/runs?limit=200', signal);
  const asked = (query.get('runs') ?? '').split(',').filter(Boolean);
  const ids = runs.map(({ id }) => id);
  let chosen = asked.length > 0 ? asked.filter((id) => ids.includes(id)) : latest(runs);
  const extra = { steps: '', alignments: '', ...Object.fromEntries(query) };
  const histories = new Map();
  const body = h('div', { class: 'page-part' });
  const status = h('span', { class: 'sub', role: 'status' });
  let charts = [];
  let leaving = new AbortController();
  signal.addEventListener('abort', () => leaving.abort());

  const address = () => {
    const kept = new URLSearchParams({ runs: chosen.join(',') });
    for (const { key } of SOURCES) if (extra[key] !== '') kept.set(key, extra[key]);
    return `#/compare?${kept}`;
  };
  const draw = perFrame(() => {
    for (const { chart, end } of charts) chart.update(end);
  });
  const show = async () => {
    setText(status, chosen.length === 0 ? 'Choose runs to compare.' : 'Reading…');
    const wanted = [...chosen];
    for (const id of wanted) if (!histories.has(id)) histories.set(id, await history(id, signal));
    if (wanted.join() !== chosen.join()) return;
    setText(status, '');
    leaving.abort();
    leaving = new AbortController();
    charts = [];
    const shown = wanted.map((id, index) => ({
      run: runs.find((run) => run.id === id),
      history: histories.get(id),
      colour: COLOURS[index],
    }));
    fill(
      body,
      shown.length > 0 && summary(shown),
      SOURCES.map((source) => section(source, shown)),
    );
    draw();
  };
  const section = (source, shown) => {
    const names = [...new Set(shown.flatMap(({ history: { [source.key]: series } }) => series.names))].sort();
    const wanted = [...source.first, ...extra[source.key].split(',')].filter((name) => names.includes(name));
    if (wanted.length === 0) return null;
    const end = Math.max(...shown.map(({ run }) => run.steps ?? 0));
    const place = h('div', { class: 'charts' });
    const add = (name) => {
      const chart = comparison(name, source.key, shown, leaving.signal);
      charts.push({ chart, end });
      place.append(chart.element);
    };
    [...new Set(wanted)].forEach(add);
    const list = `metrics-${source.key}`;
    const input = h('input', {
      type: 'search',
      list,
      placeholder: 'Add a metric',
      'aria-label': `Add a metric to ${source.title}`,
      onchange: (event) => {
        const name = event.target.value.trim();
        if (!names.includes(name) || wanted.includes(name)) return;
        event.target.value = '';
        wanted.push(name);
        extra[source.key] = [...extra[source.key].split(',').filter(Boolean), name].join(',');
        go(address());
        add(name);
        draw();
        announce(`${name} added`);
      },
    });
    return h(
      'section',
      { 'aria-labelledby': `${list}-title` },
      h(
        'div',
        { class: 'toolbar' },
        h('h2', { id: `${list}-title` }, source.title),
        input,
        h(
          'datalist',
          { id: list },
          names.map((name) => h('option', { value: name })),
        ),
      ),
      place,
    );
  };
  const choose = async (event) => {
    const { value, checked } = event.target;
    chosen = checked ? [...chosen, value] : chosen.filter((id) => id !== value);
    if (chosen.length > MOST) {
      chosen = chosen.filter((id) => id !== value);
      event.target.checked = false;
      return setText(status, `At most ${MOST} runs; leave one out first.`);
    }
    go(address());
    await show();
    announce(`${chosen.length} runs compared`);
  };

  // What is shown is there already, unless what happened meanwhile was lost.
  let isRead = true;
  const load = async () => {
    if (isRead) isRead = false;
    else {
      histories.clear();
      await show();
    }
  };

  await show();
  follow('/v1/events', {
    opened: load,
    received: ({ type, run, data }) => {
      const known = histories.get(run);
      if (known === undefined) return;
      if (type === 'run.step') known.steps.put(data.step, data.metrics);
      if (type === 'run.alignment') known.alignments.put(data.step, data.metrics);
      for (const { chart } of charts) chart.merge(run);
      draw();
    },
  });
  return {
    title: 'Compare',
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        h('h1', {}, 'Compare runs'),
        h('p', { class: 'sub' }, 'The address keeps the choice: send it to somebody'),
      ),
      runs.length === 0
        ? h('p', { class: 'card chart-empty still' }, 'There are no runs yet.')
        : h(
            'fieldset',
            { class: 'card run-choice', onchange: choose },
            h('legend', {}, `Runs, at most ${MOST}`),
            runs.map(({ id, config, state }) =>
              h(
                'label',
                {},
                h('input', { type: 'checkbox', value: id, checked: chosen.includes(id) }),
                h('span', {}, config.name),
                tag(config.arm, 'arm'),
                state === 'succeeded' ? null : stateLabel(state),
              ),
            ),
          ),
      status,
      body,
    ),
  };
}

/** The runs that were created last with the same data set, so that they compare. */
function latest(runs) {
  const [first] = runs;
  return first === undefined
    ? []
    : runs
        .filter(({ config }) => config.dataset === first.config.dataset)
        .slice(0, 4)
        .map(({ id }) => id)
        .reverse();
}

async function history(id, signal) {
  const path = `/v1/runs/${id}`;
  const [steps, alignments] = [new Series(), new Series()];
  const [evaluations, views] = await Promise.all([
    get(`${path}/evaluations`, signal),
    get(`${path}/alignments`, signal),
  ]);
  for (const view of views) alignments.put(view.step, view.metrics);
  for (;;) {
    const page = await get(`${path}/steps?after=${steps.last}&limit=${STEPS_AT_ONCE}`, signal);
    for (const view of page) steps.put(view.step, view.metrics);
    if (page.length < STEPS_AT_ONCE) break;
  }
  return { steps, alignments, accuracy: accuracyByLength(evaluations) };
}

/** One metric of several runs: a series whose columns are the runs. */
function comparison(name, key, shown, signal) {
  const merged = new Series();
  const merge = (wanted) => {
    for (const {
      run,
      history: { [key]: series },
    } of shown) {
      if (wanted !== undefined && run.id !== wanted) continue;
      const values = series.column(name);
      series.steps.forEach((step, index) => {
        if (values[index] !== null && values[index] !== undefined) merged.put(step, { [run.id]: values[index] });
      });
    }
  };
  merge();
  const lines = shown.map(({ run, colour }) => ({ metric: run.id, label: run.config.name, colour }));
  return Object.assign(lineChart({ title: name, hint: '', lines, sync: `compare ${key}` }, merged, signal), { merge });
}

function summary(shown) {
  const lengths = [
    ...new Set(shown.flatMap(({ history: { accuracy } }) => accuracy.map(({ documents }) => documents))),
  ].sort((a, b) => a - b);
  const columns = ['Run', 'Steps', 'In steps', 'Policy tokens', ...lengths.map((length) => `${length} documents`)];
  return h(
    'div',
    { class: 'card table-scroll comparison', tabindex: 0, role: 'region', 'aria-label': 'Runs: values' },
    h(
      'table',
      { class: 'figures' },
      h('caption', {}, 'Accuracy by context length, after training; 95 % intervals'),
      tableHead(columns),
      h(
        'tbody',
        {},
        shown.map(({ run, history: { accuracy }, colour }) =>
          h(
            'tr',
            {},
            h(
              'th',
              { scope: 'row' },
              h('i', { class: 'swatch', style: { '--line': `var(${colour})` } }),
              h('a', { href: `#/runs/${run.id}` }, run.config.name),
              h('small', {}, `${run.config.arm} · ${objectiveText(run.config)}`),
            ),
            h('td', {}, run.steps === null ? NONE : `${whole(run.step)} / ${whole(run.steps)}`),
            h('td', {}, duration(run.trainSeconds)),
            h('td', {}, short(run.policyTokens)),
            lengths.map((length) => {
              const policy = accuracy.find(({ documents }) => documents === length)?.policy ?? null;
              return policy === null
                ? h('td', {}, NONE)
                : h(
                    'td',
                    {},
                    percent(policy.mean),
                    h('small', {}, `${percent(policy.low)} to ${percent(policy.high)}`),
                  );
            }),
          ),
        ),
      ),
    ),
  );
}
