import { get, namesByDigest, post } from '../api.js';
import { accuracyChart } from '../charts/accuracy-chart.js';
import { lineChart } from '../charts/line-chart.js';
import { HELD_OUT_CHARTS, PHASE_CHARTS, SPEED_CHARTS, STEP_CHARTS } from '../charts/run-charts.js';
import { fill, h, setText } from '../dom.js';
import { digest, duration, NONE, rate, short, when, whole } from '../format.js';
import { accuracyByLength } from '../model/accuracy.js';
import { rateOf } from '../model/progress.js';
import { Series } from '../model/series.js';
import { crumbs } from '../parts/crumbs.js';
import { objectiveText, stateLabel, tag } from '../parts/labels.js';
import { problem } from '../parts/problem.js';
import { configList } from '../parts/run-config.js';
import { stageTimeline } from '../parts/stage-timeline.js';
import { sureButton } from '../parts/sure-button.js';
import { perFrame, soon } from '../timing.js';

const STEPS_AT_ONCE = 10_000;
const LOOK_MS = 5000;

/** One run: where it is, how it learns, what came of it; history first, then live. */
export async function runPage({ id, signal, follow, announce }) {
  const path = `/v1/runs/${encodeURIComponent(id)}`;
  const [first, names] = await Promise.all([get(path, signal), namesByDigest()]);
  let run = first;
  let step = first.step;
  const [steps, phases, heldOut, speed] = [new Series(), new Series(), new Series(), new Series()];
  const head = runHead(first, () => cancel());
  const figures = keyFigures();
  const trouble = h('div', {});
  const warnings = h('div', {});
  const notices = h('div', {});
  const stages = stageTimeline();
  const stepCharts = STEP_CHARTS.map((options) => lineChart({ ...options, sync: 'steps' }, steps, signal));
  const phaseCharts = PHASE_CHARTS.map((options) => lineChart({ ...options, sync: 'steps' }, phases, signal));
  const heldOutCharts = HELD_OUT_CHARTS.map((options) => lineChart({ ...options, sync: 'versions' }, heldOut, signal));
  const speedCharts = SPEED_CHARTS.map((options) => lineChart({ ...options, sync: 'slices' }, speed, signal));
  const accuracy = accuracyChart(signal);
  const learning = chartSection('steps-title', 'Training, by step', 'charts', [
    ...stepCharts,
    ...speedCharts,
    ...phaseCharts,
  ]);
  const versions = chartSection('versions-title', 'Held-out pairs, by policy version', 'charts four', heldOutCharts);

  // What a run that has ended never came to is left out.
  const showParts = () => {
    const isOver = run.state !== 'running';
    accuracy.element.hidden = run.config.evaluation === null || (isOver && accuracy.isEmpty);
    learning.hidden = isOver && steps.steps.length === 0;
    versions.hidden = isOver && heldOut.steps.length === 0;
  };
  const cancel = async () => {
    try {
      show(await post(`${path}/cancel`));
    } catch (error) {
      fill(trouble, problem('The run was not cancelled', error.message));
    }
  };
  const showProgress = () => {
    const shown = { ...run, step: Math.max(run.step, step) };
    figures.update(shown);
    stages.update(shown, Date.now());
  };
  const show = (next) => {
    if (next.state !== run.state) announce(`Run ${next.config.name} ${next.state}`);
    run = next;
    head.update(run);
    showParts();
    fill(
      trouble,
      run.error !== null && problem(run.state === 'failed' ? 'This run failed' : 'This run was stopped', run.error),
    );
    fill(
      notices,
      run.warnings.map(({ message }) => problem('Warning', message)),
    );
    showProgress();
  };
  const draw = perFrame(() => {
    for (const chart of stepCharts) chart.update(run.steps);
    for (const chart of phaseCharts) chart.update(run.steps);
    for (const chart of heldOutCharts) chart.update(run.steps);
    for (const chart of speedCharts) chart.update(run.steps);
  });
  const takeSteps = (views) => {
    for (const view of views) {
      steps.put(view.step, view.metrics);
      if (view.phaseSeconds) phases.put(view.step, view.phaseSeconds);
    }
    step = Math.max(step, steps.last);
    draw();
  };
  const takeAlignments = (views) => {
    for (const view of views) heldOut.put(view.step, view.metrics);
    draw();
  };
  const loadEvaluations = async () => accuracy.update(accuracyByLength(await get(`${path}/evaluations`, signal)));
  const loadSteps = async () => {
    for (;;) {
      const views = await get(`${path}/steps?after=${steps.last}&limit=${STEPS_AT_ONCE}`, signal);
      takeSteps(views);
      if (views.length < STEPS_AT_ONCE) return;
    }
  };
  const loadSpeed = async () => {
    for (const slice of await get(`${path}/slices`, signal)) speed.put(slice.step, speedOf(slice, steps));
    draw();
  };
  const load = async () => {
    const [view, alignments] = await Promise.all([
      get(path, signal),
      get(`${path}/alignments`, signal),
      loadSteps(),
      loadEvaluations(),
    ]);
    takeAlignments(alignments);
    await loadSpeed();
    show(view);
  };
  const refresh = soon(async () => show(await get(path, signal)), 250);

  const refreshSpeed = soon(loadSpeed, 1000);

  await load();
  const ticking = setInterval(() => run.state === 'running' && showProgress(), 1000);
  // Within a job there are no events.
  const looking = setInterval(() => run.state === 'running' && refresh(), LOOK_MS);
  signal.addEventListener('abort', () => [ticking, looking].forEach(clearInterval));

  follow(`${path}/events`, {
    opened: load,
    received: ({ type, data }) => {
      if (type === 'run.step') {
        takeSteps([data]);
        return showProgress();
      }
      if (type === 'run.alignment') takeAlignments([data]);
      if (type === 'run.evaluation') loadEvaluations().catch(() => undefined);
      if (type === 'stage.progress' || type === 'stage.done') refreshSpeed();
      if (type === 'run.warning') fill(warnings, problem(`Warning at step ${data.step}`, data.message));
      refresh();
    },
  });

  return {
    title: first.config.name,
    element: h(
      'div',
      { class: 'page' },
      head.element,
      trouble,
      warnings,
      notices,
      figures.element,
      stages.element,
      accuracy.element,
      learning,
      versions,
      h(
        'section',
        { class: 'card', 'aria-labelledby': 'config-title' },
        h('header', {}, h('h2', { id: 'config-title' }, 'Configuration')),
        configList(first.config, names),
      ),
    ),
  };
}

const leftText = (state, left) =>
  state !== 'running' ? '' : left === null ? 'time left unknown' : `about ${duration(left)} left`;

/** The tokens that the policy ran in the slice: the metric counts them all up. */
function speedOf({ step, steps: count, seconds }, steps) {
  const tokensAt = (place) => (place === 0 ? 0 : steps.column('num_tokens')[steps.steps.indexOf(place)]);
  const tokens = tokensAt(step) - tokensAt(step - count);
  return Number.isFinite(tokens) && seconds > 0 ? { tokens_per_second: tokens / seconds } : {};
}

function chartSection(id, title, layout, charts) {
  return h(
    'section',
    { 'aria-labelledby': id },
    h('h2', { id }, title),
    h(
      'div',
      { class: layout },
      charts.map(({ element }) => element),
    ),
  );
}

function runHead({ id, config, createdAt }, cancel) {
  const state = h('span', {});
  const button = sureButton('Cancel run', 'Press again to cancel', cancel);
  const element = h(
    'div',
    { class: 'page-head' },
    crumbs(['Runs', '#/'], [id]),
    h('h1', {}, config.name),
    state,
    h(
      'div',
      { class: 'actions' },
      [
        ['Pairs', `#/runs/${id}/pairs`],
        ['Evaluation', `#/runs/${id}/evaluation`],
        ['All metrics', `#/runs/${id}/metrics`],
        ['Compare', `#/compare?runs=${id}`],
      ].map(([name, href]) => h('a', { class: 'button', href }, name)),
      button,
    ),
    h(
      'p',
      { class: 'sub' },
      tag(config.arm, 'arm'),
      objectiveText(config),
      h('time', { datetime: createdAt }, when(createdAt)),
    ),
  );
  return {
    element,
    update(run) {
      if (state.textContent !== run.state) fill(state, stateLabel(run.state));
      button.hidden = run.state !== 'running';
    },
  };
}

function keyFigures() {
  const items = new Map(
    ['Step', 'Time', 'Training rate', 'Pairs', 'Policy tokens', 'Reference tokens', 'Chain head'].map((name) => [
      name,
      { value: h('dd', {}), note: h('dd', { class: 'sub' }) },
    ]),
  );
  const element = h(
    'dl',
    { class: 'key-figures card' },
    [...items].map(([name, { value, note }]) => h('div', {}, h('dt', {}, name), value, note)),
  );
  const set = (name, value, note = '') => {
    setText(items.get(name).value, value);
    setText(items.get(name).note, note);
  };
  return {
    element,
    update(run) {
      const now = Date.now();
      const pairing = run.stages.find(({ kind, state }) => kind === 'pair' && state === 'done')?.result;
      const train = run.stages.filter(({ kind }) => kind === 'train');
      const pace = train.length === 0 ? null : rateOf(run, train, now);
      const left = run.state === 'running' ? run.etaSeconds : null;
      const elapsed = ((run.finishedAt === null ? now : Date.parse(run.finishedAt)) - Date.parse(run.createdAt)) / 1000;
      set('Step', run.steps === null ? NONE : `${whole(run.step)} / ${whole(run.steps)}`);
      set('Time', duration(elapsed), leftText(run.state, left));
      set(
        'Training rate',
        pace === null ? NONE : rate(pace.perSecond, pace.unit),
        run.trainSeconds > 0 ? `${duration(run.trainSeconds)} in steps` : '',
      );
      const notes = [
        pairing?.heldOut !== undefined && `and ${whole(pairing.heldOut)} held out`,
        run.leftOver > 0 && `${whole(run.leftOver)} left over by each epoch`,
      ];
      set('Pairs', whole(run.pairs), notes.filter(Boolean).join(', '));
      set('Policy tokens', short(run.policyTokens));
      set('Reference tokens', short(run.referenceTokens), run.referenceTokens > 0 ? 'scored once' : '');
      set('Chain head', run.chainHead === null ? NONE : digest(run.chainHead));
    },
  };
}
