import { get } from '../api.js';
import { accuracySpark } from '../charts/spark.js';
import { fill, h, setText } from '../dom.js';
import { ago, duration, NONE, percent, points, rate, when, whole } from '../format.js';
import { accuracyOfStages } from '../model/accuracy.js';
import { currentGroup, progressOf, rateOf, secondsLeft } from '../model/progress.js';
import { objectiveText, progressBar, stateLabel, tag } from '../parts/labels.js';
import { soon } from '../timing.js';

const COLUMNS = ['Run', 'State', 'Now', 'Rate', 'Time', 'Accuracy'];

/** Every run, newest first, live. */
export async function runsPage({ signal, follow, announce }) {
  const rows = new Map();
  const body = h('tbody', {});
  const tally = h('p', { class: 'tally' });
  const list = h('div', { class: 'card table-scroll' });
  const table = h(
    'table',
    { class: 'runs cards' },
    h('caption', { class: 'visually-hidden' }, 'Runs, newest first'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        COLUMNS.map((name) => h('th', { scope: 'col' }, name)),
      ),
    ),
    body,
  );

  const show = () => {
    const runs = [...rows.values()].map(({ run }) => run);
    const of = (state) => runs.filter((run) => run.state === state).length;
    const counts = ['running', 'succeeded', 'failed', 'cancelled']
      .filter((state) => of(state) > 0)
      .map((state) => `${of(state)} ${state}`);
    setText(tally, counts.join(' · '));
    if (runs.length === 0) fill(list, welcome());
    else if (!table.isConnected) fill(list, table);
  };
  const take = (run) => {
    const row = rows.get(run.id);
    if (row !== undefined) return row.update(run);
    const added = runRow(run);
    rows.set(run.id, added);
    const later = [...rows.values()].filter((other) => other.run.createdAt < run.createdAt);
    const next = later.sort((a, b) => (a.run.createdAt < b.run.createdAt ? 1 : -1))[0];
    body.insertBefore(added.element, next?.element ?? null);
  };
  const load = async () => {
    for (const run of (await get('/v1/runs?limit=200', signal)).reverse()) take(run);
    show();
  };
  const stale = new Set();
  const refresh = soon(async () => {
    const ids = [...stale];
    stale.clear();
    for (const run of await Promise.all(ids.map((id) => get(`/v1/runs/${id}`, signal)))) take(run);
    show();
  }, 300);

  await load();
  const ticking = setInterval(() => {
    for (const { run, update } of rows.values()) if (run.state === 'running') update(run);
  }, 1000);
  signal.addEventListener('abort', () => clearInterval(ticking));

  follow('/v1/events', {
    opened: load,
    received: ({ type, run, data }) => {
      if (type === 'run.step') return rows.get(run)?.step(data.step);
      const known = rows.get(run)?.run;
      if (type === 'run.state' && data.state !== 'running' && known?.state === 'running')
        announce(`Run ${known.config.name} ${data.state}`);
      stale.add(run);
      refresh();
    },
  });
  return {
    title: 'Runs',
    element: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', {}, 'Runs'), tally), list),
  };
}

function welcome() {
  return h(
    'div',
    { class: 'welcome' },
    h('h2', {}, 'No runs yet'),
    h('p', {}, 'Start one from a terminal; it appears here as soon as it begins.'),
    h('pre', {}, h('code', {}, './solopo demo --keep')),
  );
}

function runRow(first) {
  const cell = (index, ...children) => h('td', { 'data-label': COLUMNS[index] }, ...children);
  const { config } = first;
  const bar = progressBar(`Progress of ${config.name}`);
  const state = h('span', {});
  const [stage, progress, speed, left, accuracy] = ['stage-now', 'sub', '', '', 'accuracy-cell'].map((name) =>
    h('span', { class: name }),
  );
  const element = h(
    'tr',
    {},
    h(
      'th',
      { scope: 'row' },
      h('a', { class: 'row-link', href: `#/runs/${first.id}` }, config.name),
      h(
        'span',
        { class: 'sub' },
        tag(config.arm, 'arm'),
        objectiveText(config),
        h('time', { datetime: first.createdAt, title: when(first.createdAt) }, ago(first.createdAt)),
      ),
    ),
    cell(1, state),
    h('td', { 'data-label': COLUMNS[2], class: 'now' }, stage, bar.element, progress),
    cell(3, speed),
    cell(4, left),
    cell(5, accuracy),
  );
  const row = {
    element,
    run: first,
    step(step) {
      if (row.run.state === 'running' && step > row.run.step) row.update({ ...row.run, step });
    },
    update(run) {
      const newer = run.stages !== row.run.stages;
      row.run = run.step < row.run.step && run.state === 'running' ? { ...run, step: row.run.step } : run;
      render(newer);
    },
  };
  const render = (accuracyToo) => {
    const { run } = row;
    const now = Date.now();
    const isRunning = run.state === 'running';
    const group = isRunning ? currentGroup(run) : null;
    element.className = run.state;
    if (state.textContent !== run.state) fill(state, stateLabel(run.state));
    const done =
      group === null ? { done: run.step, total: run.steps ?? 0, unit: 'steps' } : progressOf(run, group.stages);
    bar.element.hidden = !isRunning;
    bar.update(done);
    setText(stage, group?.title ?? (run.error === null ? '' : run.error));
    stage.title = run.error ?? '';
    setText(progress, done.total === 0 ? '' : `${whole(done.done)} / ${whole(done.total)} ${done.unit}`);
    const pace = group === null ? trainingRate(run) : rateOf(run, group.stages, now);
    setText(speed, pace === null ? NONE : rate(pace.perSecond, pace.unit));
    setText(left, isRunning ? leftText(run, group) : tookText(run));
    if (accuracyToo) fill(accuracy, accuracyOf(run));
  };
  render(true);
  return row;
}

function trainingRate(run) {
  const train = run.stages.filter(({ kind }) => kind === 'train');
  return train.length === 0 ? null : rateOf(run, train, Date.now());
}

function leftText(run, group) {
  const whole = run.etaSeconds;
  if (whole !== null) return `about ${duration(whole)} left`;
  const stage = group === null ? null : secondsLeft(group.stages);
  return stage === null ? 'unknown' : `${duration(stage)} left of this stage`;
}

function tookText({ createdAt, finishedAt }) {
  return finishedAt === null ? NONE : `took ${duration((Date.parse(finishedAt) - Date.parse(createdAt)) / 1000)}`;
}

/** The longest context says most: there the base model is worst. */
function accuracyOf(run) {
  const rows = accuracyOfStages(run.stages);
  const longest = rows.at(-1);
  if (longest === undefined) return NONE;
  const { base, policy, documents } = longest;
  const now = policy ?? base;
  return [
    accuracySpark(rows),
    h(
      'span',
      {},
      h('b', {}, now === undefined ? NONE : percent(now)),
      h(
        'span',
        { class: 'sub' },
        policy === undefined
          ? `base, ${documents} documents`
          : base === undefined
            ? `${documents} documents`
            : `${points(policy - base)} at ${documents} documents`,
      ),
    ),
  ];
}
