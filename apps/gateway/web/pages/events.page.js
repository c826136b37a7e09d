import { get } from '../api.js';
import { fill, h, setText } from '../dom.js';
import { digest, metric, NONE, whole, words } from '../format.js';
import { tag } from '../parts/labels.js';
import { tableHead } from '../parts/crumbs.js';
import { perFrame } from '../timing.js';

const SHOWN = 200;
const TYPES = [
  'run.state',
  'stage.started',
  'stage.progress',
  'stage.done',
  'run.step',
  'run.alignment',
  'run.evaluation',
  'run.warning',
];
const COLUMNS = ['Time', 'Event', 'Run', 'What'];
const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 1,
});

/** What happens, as it happens: filtered, and held still when asked. */
export async function eventsPage({ query, signal, follow, go }) {
  const runs = await get('/v1/runs?limit=200', signal);
  const names = new Map(runs.map(({ id, config }) => [id, config.name]));
  const choice = { type: query.get('type') ?? '', run: query.get('run') ?? '' };
  let events = [];
  let paused = false;
  let missed = 0;
  const body = h('tbody', {});
  const status = h('span', { class: 'where', role: 'status' });
  const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => hold(!paused) }, 'Pause');

  const fits = ({ type, run }) =>
    (choice.type === '' || choice.type === type) && (choice.run === '' || choice.run === run);
  const show = perFrame(() => {
    fill(
      body,
      events.length === 0
        ? h('tr', {}, h('td', { colspan: COLUMNS.length }, 'Nothing happened lately.'))
        : events.map((event) => eventRow(event, names)),
    );
    setText(status, paused ? `${missed} new` : `latest ${events.length}`);
  });
  const load = async () => {
    const wanted = new URLSearchParams({ limit: SHOWN });
    for (const [key, value] of Object.entries(choice)) if (value !== '') wanted.set(key, value);
    events = await get(`/v1/events/recent?${wanted}`, signal);
    missed = 0;
    show();
  };
  const hold = async (next) => {
    paused = next;
    pause.setAttribute('aria-pressed', String(paused));
    setText(pause, paused ? 'Go on' : 'Pause');
    if (!paused) await load().catch(() => undefined);
    show();
  };
  const choose = (key) => async (event) => {
    choice[key] = event.target.value;
    const kept = new URLSearchParams(Object.entries(choice).filter(([, value]) => value !== ''));
    go(`#/events${kept.size > 0 ? `?${kept}` : ''}`);
    await load().catch(() => undefined);
  };

  await load();
  follow('/v1/events', {
    opened: () => (paused ? Promise.resolve() : load()),
    received: (event) => {
      if (!fits(event)) return;
      if (paused) missed += 1;
      else events = [event, ...events].slice(0, SHOWN);
      show();
    },
  });
  const select = (key, label, options) =>
    h(
      'label',
      { class: 'choice' },
      h('span', {}, label),
      h(
        'select',
        { onchange: choose(key) },
        [['', 'all'], ...options].map(([value, name]) => h('option', { value, selected: choice[key] === value }, name)),
      ),
    );
  return {
    title: 'Events',
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        h('h1', {}, 'Events'),
        h('p', { class: 'sub' }, 'Facts about runs, live; a day of them is kept. The ledger holds the truth'),
      ),
      h(
        'div',
        { class: 'toolbar' },
        select(
          'type',
          'Event',
          TYPES.map((type) => [type, type]),
        ),
        select('run', 'Run', [...names]),
        h('div', { class: 'pager' }, status, pause),
      ),
      h(
        'div',
        { class: 'card table-scroll' },
        h(
          'table',
          { class: 'cards events' },
          h('caption', { class: 'visually-hidden' }, 'Events, latest first'),
          tableHead(COLUMNS),
          body,
        ),
      ),
    ),
  };
}

function eventRow({ type, run, at, data }, names) {
  return h(
    'tr',
    { class: type === 'run.warning' ? 'warning' : '' },
    h('th', { scope: 'row' }, h('time', { datetime: at, title: at }, clock.format(new Date(at)))),
    h('td', { 'data-label': COLUMNS[1] }, tag(type)),
    h('td', { 'data-label': COLUMNS[2], class: 'run-name' }, h('a', { href: `#/runs/${run}` }, names.get(run) ?? run)),
    h('td', { 'data-label': COLUMNS[3] }, tell(data)),
  );
}

function tell({ metrics, ...data }) {
  const parts = Object.entries(data).flatMap(([key, value]) =>
    value === null || typeof value === 'object' || key === 'outcomes' ? [] : [`${words(key)} ${textOf(value)}`],
  );
  if (metrics !== undefined) {
    const first = ['loss', 'eval_loss', 'solo/gap_abs', 'grad_norm'].filter((name) => metrics[name] !== undefined);
    parts.push(...first.map((name) => `${name} ${metric(metrics[name])}`));
  }
  return parts.join(' · ') || NONE;
}

function textOf(value) {
  if (typeof value === 'number') return Number.isInteger(value) ? whole(value) : metric(value);
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? digest(value) : String(value);
}
