import { fill, h, setText } from '../dom.js';
import { duration, NONE, rate, whole } from '../format.js';
import { busySeconds, groupsOf, phaseOf, progressOf, rateOf, secondsLeft, stageTitle } from '../model/progress.js';

/** When each stage worked, how far it is, how fast, and how long it still takes. */
export function stageTimeline() {
  const rows = h('ol', { class: 'timeline' });
  const place = h('div', { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': 'Stages: values' });
  const details = h(
    'details',
    { class: 'values', ontoggle: () => latest && renderTable(...latest) },
    h('summary', {}, 'Every stage'),
    place,
  );
  const element = h(
    'section',
    { class: 'card stages', 'aria-labelledby': 'stages-title' },
    h('header', {}, h('h2', { id: 'stages-title' }, 'Stages')),
    rows,
    details,
  );
  const known = new Map();
  let latest;

  const renderTable = (run, now) => details.open && fill(place, stagesTable(run, now));

  return {
    element,
    update(run, now) {
      latest = [run, now];
      const scale = scaleOf(run, now);
      const groups = groupsOf(run);
      for (const group of groups) {
        if (!known.has(group.key)) known.set(group.key, groupRow(group.title));
        known.get(group.key).update(run, group.stages, scale, now);
      }
      const wanted = groups.map(({ key }) => known.get(key).element);
      if (wanted.some((row, index) => rows.children[index] !== row)) fill(rows, wanted);
      renderTable(run, now);
    },
  };
}

function groupRow(title) {
  const dot = h('i', { class: 'stage-dot' });
  const track = h('div', { class: 'track', 'aria-hidden': 'true' });
  const [progress, speed, time] = [
    h('span', { class: 'figure' }),
    h('span', { class: 'figure' }),
    h('span', { class: 'figure' }),
  ];
  const element = h('li', {}, h('span', { class: 'stage-name' }, dot, title), track, progress, speed, time);
  return {
    element,
    update(run, stages, scale, now) {
      const state = stateOf(stages);
      element.className = state;
      const segments = stages.map((stage) => segmentOf(stage, scale, now));
      fill(track, segments);
      const shared = segments.every((segment) => segment === null) && state === 'done';
      const { done, total, unit } = progressOf(run, stages);
      const pace = rateOf(run, stages, now);
      setText(progress, total === 0 ? NONE : `${whole(done)} / ${whole(total)} ${unit}`);
      setText(speed, pace === null ? NONE : rate(pace.perSecond, pace.unit));
      setText(time, timeText(run, stages, state, shared, now));
    },
  };
}

function timeText(run, stages, state, shared, now) {
  if (shared) return 'shared with an earlier run';
  // Versions come to be measured one by one: what is left of those that are there says nothing.
  if (state === 'running' && run.state === 'running' && stages[0].kind !== 'align') {
    const left = secondsLeft(stages);
    const phase = phaseOf(stages);
    // Loading is told: that nothing is done yet has its reason.
    const doing =
      phase === 'loading' || left === null ? [phase ?? `at it for ${duration(busySeconds(stages, now))}`] : [];
    return [...doing, left === null ? 'time left unknown' : `${duration(left)} left`].join(', ');
  }
  if (state === 'pending') return run.state === 'running' ? 'waiting' : 'not begun';
  return duration(busySeconds(stages, now));
}

function stateOf(stages) {
  for (const state of ['failed', 'running', 'cancelled'])
    if (stages.some((stage) => stage.state === state)) return state;
  if (stages.length > 0 && stages.every((stage) => stage.state === 'done')) return 'done';
  return stages.some((stage) => stage.state === 'done') ? 'running' : 'pending';
}

function scaleOf(run, now) {
  const from = Date.parse(run.createdAt);
  const to = run.finishedAt === null ? now : Date.parse(run.finishedAt);
  return { from, length: Math.max(1000, to - from) };
}

/** Null: the work was done before the run began. */
function segmentOf({ startedAt, finishedAt, label, state }, { from, length }, now) {
  if (startedAt === null) return null;
  const end = finishedAt === null ? Math.min(now, from + length) : Date.parse(finishedAt);
  if (end <= from) return null;
  const start = Math.max(from, Date.parse(startedAt));
  const style = { left: `${(100 * (start - from)) / length}%`, width: `${(100 * (end - start)) / length}%` };
  return h('i', { class: state, style, title: `${label}: ${duration((end - start) / 1000)}` });
}

function stagesTable(run, now) {
  return h(
    'table',
    { class: 'figures' },
    h('caption', { class: 'visually-hidden' }, 'Every stage'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ['Stage', 'State', 'Chunks', 'Rate', 'Time', 'Counts'].map((name) => h('th', { scope: 'col' }, name)),
      ),
    ),
    h(
      'tbody',
      {},
      run.stages.map((stage) => {
        const pace = rateOf(run, [stage], now);
        const counts = Object.entries(stage.result ?? {}).map(
          ([name, value]) => `${name} ${typeof value === 'number' ? whole(value) : value}`,
        );
        return h(
          'tr',
          {},
          h('th', { scope: 'row' }, stageTitle(stage)),
          h('td', {}, stage.state),
          h('td', {}, `${whole(stage.chunksDone)} / ${whole(stage.chunks)}`),
          h('td', {}, pace === null ? NONE : rate(pace.perSecond, pace.unit)),
          h('td', {}, stage.startedAt === null ? NONE : duration(busySeconds([stage], now))),
          h('td', { class: 'wide' }, counts.join(', ') || NONE),
        );
      }),
    ),
  );
}
