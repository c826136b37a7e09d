import { get, session } from './api.js';
import { fill, h, setText } from './dom.js';
import { follow } from './live.js';
import { comparePage } from './pages/compare.page.js';
import { deadLettersPage } from './pages/dead-letters.page.js';
import { evaluationPage } from './pages/evaluation.page.js';
import { eventsPage } from './pages/events.page.js';
import { metricsPage } from './pages/metrics.page.js';
import { modelsPage } from './pages/models.page.js';
import { pairPage } from './pages/pair.page.js';
import { pairsPage } from './pages/pairs.page.js';
import { runPage } from './pages/run.page.js';
import { runsPage } from './pages/runs.page.js';
import { SIGN_IN, signInPage } from './pages/sign-in.page.js';
import { systemPage } from './pages/system.page.js';
import { problem } from './parts/problem.js';
import { startTheme } from './theme.js';

const ROUTES = [
  [/^\/?$/, runsPage, [], 'runs'],
  [/^\/runs\/([^/]+)$/, runPage, ['id'], 'runs'],
  [/^\/runs\/([^/]+)\/pairs$/, pairsPage, ['id'], 'runs'],
  [/^\/runs\/([^/]+)\/pairs\/([^/]+)$/, pairPage, ['id', 'pair'], 'runs'],
  [/^\/runs\/([^/]+)\/evaluation$/, evaluationPage, ['id'], 'runs'],
  [/^\/runs\/([^/]+)\/metrics$/, metricsPage, ['id'], 'runs'],
  [/^\/compare$/, comparePage, [], 'compare'],
  [/^\/models$/, modelsPage, [], 'models'],
  [/^\/system$/, systemPage, [], 'system'],
  [/^\/events$/, eventsPage, [], 'events'],
  [/^\/dead-letters$/, deadLettersPage, [], 'dead-letters'],
];

const [main, announcer, connection, deadCount] = ['main', 'announcer', 'connection', 'dead-count'].map((id) =>
  document.getElementById(id),
);
let leaving = new AbortController();
let shown = null;

/** A page is made whole, then put in place of the one before it; what it follows ends when it is left. */
async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, search = ''] = location.hash.slice(1).split('?');
  const route = ROUTES.find(([pattern]) => pattern.test(path));
  mark(route?.[3]);
  connect('');
  const isFirst = shown === null;
  try {
    const page = route === undefined ? missing() : await open(route, path, search, signal);
    if (!signal.aborted) place(page, isFirst);
  } catch (error) {
    fail(error, signal, isFirst);
  }
}

function open([pattern, page, names], path, search, signal) {
  const values = pattern.exec(path).slice(1).map(decodeURIComponent);
  const parameters = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  return page({
    ...parameters,
    query: new URLSearchParams(search),
    signal,
    announce,
    countDeadLetters,
    go: (hash) => history.replaceState(null, '', hash),
    follow: (stream, { opened, received }) => {
      follow(stream, { signal, opened, received, connection: connect }).catch((error) => fail(error, signal, false));
    },
  });
}

function place({ title, element }, isFirst) {
  document.title = title === 'Runs' ? 'Solopo' : `${title} · Solopo`;
  fill(main, element);
  shown = title;
  if (isFirst) return;
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

function fail(error, signal, isFirst) {
  if (signal.aborted) return;
  if (error.status !== 401) return place(pageOf(error), isFirst);
  const { token } = session;
  // Of another token than the reader's: what was asked with theirs tells.
  if (token !== null && token !== error.token) return;
  // Asked for already, and perhaps being typed.
  if (token === null && shown === SIGN_IN) return;
  session.forget();
  place(signInPage({ wasWrong: token !== null, again: () => show().then(countDeadLetters) }), isFirst);
}

function pageOf(error) {
  const title = error.status === 404 ? 'Not found' : 'This page could not be shown';
  const text =
    error.status === undefined ? 'The gateway cannot be reached; see whether it runs, then try again.' : error.message;
  const again = h('button', { type: 'button', onclick: () => show() }, 'Try again');
  return { title, element: h('div', { class: 'page narrow' }, heading(title), problem(title, text), again) };
}

/** The problem says it to those who see it. */
const heading = (title) => h('h1', { class: 'visually-hidden' }, title);

const missing = () => ({
  title: 'Not found',
  element: h(
    'div',
    { class: 'page narrow' },
    heading('Not found'),
    problem('There is no such page', 'Go back to the runs.'),
    h('a', { class: 'button', href: '#/' }, 'Runs'),
  ),
});

function mark(page) {
  for (const link of document.querySelectorAll('[data-page]')) {
    if (link.dataset.page === page) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function connect(state) {
  connection.className = `connection ${state}`;
  setText(connection, { live: 'Live', away: 'Reconnecting…' }[state] ?? '');
}

function announce(text) {
  setText(announcer, '');
  setText(announcer, text);
  countDeadLetters();
}

async function countDeadLetters() {
  try {
    const open = (await get('/v1/dead-letters?limit=200')).filter(({ retriedAt }) => retriedAt === null).length;
    deadCount.hidden = open === 0;
    setText(deadCount, String(open));
  } catch {
    deadCount.hidden = true;
  }
}

startTheme(document.getElementById('theme'));
window.addEventListener('hashchange', show);
await show();
await countDeadLetters();
