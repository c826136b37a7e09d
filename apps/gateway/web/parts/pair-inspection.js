import { get } from '../api.js';
import { attentionChart } from '../charts/attention-chart.js';
import { fill, h, setText } from '../dom.js';
import { problem } from './problem.js';
import { differenceStrip, tokenStrip } from './token-strip.js';

/** A worker starts in seconds, on a node that must be made first in minutes; after that nobody waits any more. */
const LONGEST_WAIT_MS = 10 * 60_000;
const PAUSE_MS = 2000;
/** Where no worker is up the gateway says so at once: a question that takes longer has one. */
const TAKEN_MS = 1500;
const RESPONSES = [
  ['chosen', 'Chosen'],
  ['rejected', 'Rejected'],
];

/**
 * What a policy version makes of the pair, computed by a reward worker when asked: token by token, and where each layer
 * looks. The address keeps the choice.
 */
export function pairInspection({ run, pair, alignments, query, signal, go, announce }) {
  const path = `/v1/runs/${encodeURIComponent(run.id)}/pairs/${pair.digest}`;
  const steps = [...new Set([...alignments.map(({ step }) => step), ...(run.step > 0 ? [run.step] : [])])]
    .filter((step) => step > 0)
    .sort((a, b) => b - a);
  const place = h('div', { class: 'inspection-body' });
  const progress = inspectionProgress();
  const known = new Map();

  const select = h(
    'select',
    { id: 'inspected-step' },
    steps.map((step) => h('option', { value: step }, `step ${step}`)),
    h('option', { value: 0 }, 'the base model'),
  );
  if (query.has('step')) select.value = query.get('step') === 'latest' ? (steps[0] ?? 0) : query.get('step');
  const button = h('button', { type: 'submit', class: 'primary' }, 'Compute');

  const inspect = async (step, computing) => {
    if (known.has(step)) return known.get(step);
    const started = Date.now();
    computing();
    for (;;) {
      const taken = setTimeout(computing, TAKEN_MS);
      try {
        known.set(step, await get(`${path}/inspection?step=${step}`, signal));
        return known.get(step);
      } catch (error) {
        if (error.status !== 503 || Date.now() - started > LONGEST_WAIT_MS) throw error;
        progress.starting();
      } finally {
        clearTimeout(taken);
      }
      await pause(PAUSE_MS, signal);
    }
  };
  const compute = async () => {
    const step = Number(select.value);
    button.disabled = true;
    try {
      const parts = step === 0 ? 1 : 2;
      const before = await inspect(0, () => progress.computing('the base model', 0, parts));
      const after = step === 0 ? before : await inspect(step, () => progress.computing(`step ${step}`, 1, parts));
      fill(place, views(pair, before, after));
      announce('Log-probabilities and attention are shown');
    } catch (error) {
      if (signal.aborted) return;
      fill(place, problem('It could not be computed', error.message));
    } finally {
      progress.over();
      button.disabled = false;
    }
  };
  signal.addEventListener('abort', () => progress.over());
  const form = h(
    'form',
    {
      class: 'toolbar',
      onsubmit: (event) => {
        event.preventDefault();
        go(`#/runs/${run.id}/pairs/${pair.digest}?step=${select.value}`);
        compute();
      },
    },
    h('label', { for: 'inspected-step' }, 'Policy of'),
    select,
    button,
    progress.element,
  );
  if (query.has('step')) compute();

  return {
    element: h(
      'section',
      { class: 'card inspection', 'aria-labelledby': 'inspection-title' },
      h(
        'header',
        {},
        h('h2', { id: 'inspection-title' }, 'What the policy makes of it'),
        h(
          'p',
          { class: 'hint' },
          'Log-probabilities and attention are not kept: a reward worker computes them now, and starts first if none is up',
        ),
      ),
      form,
      place,
    ),
  };
}

/** What is waited for, how far it is, and for how long it was waited: the seconds are for the eye alone. */
function inspectionProgress() {
  const bar = h('progress', { 'aria-label': 'Inspection', max: 1 });
  const text = h('span', { role: 'status' });
  const seconds = h('span', { 'aria-hidden': 'true' });
  const element = h('span', { class: 'inspection-progress sub', hidden: true }, bar, text, seconds);
  let ticking = null;
  const show = (what) => {
    if (text.textContent === what && !element.hidden) return;
    setText(text, what);
    clearInterval(ticking);
    const started = Date.now();
    const tick = () => setText(seconds, ` ${Math.round((Date.now() - started) / 1000)} s`);
    tick();
    ticking = setInterval(tick, 1000);
    element.hidden = false;
  };
  return {
    element,
    starting() {
      bar.removeAttribute('value');
      show('Starting a reward worker…');
    },
    computing(what, done, parts) {
      bar.max = parts;
      bar.value = done;
      show(`Computing ${what}…`);
    },
    over() {
      clearInterval(ticking);
      setText(text, '');
      element.hidden = true;
    },
  };
}

function views(pair, before, after) {
  const shown = RESPONSES.filter(([name]) => pair.responses[name] !== null);
  const share = {
    short: pair.short.evidenceTokens / pair.short.tokens,
    long: pair.long.evidenceTokens / pair.long.tokens,
  };
  return [
    h(
      'div',
      { class: 'sides' },
      shown.map(([name, title]) => responseView(title, name, pair.responses[name], before, after)),
    ),
    h(
      'div',
      { class: 'sides' },
      shown.map(([name]) => attentionChart(before, after, name, share)),
    ),
    h('p', { class: 'hint' }, `Engine: ${after.engine}`),
  ];
}

function responseView(title, name, { pieces }, before, after) {
  const isBase = before === after;
  return h(
    'div',
    { class: `strips ${name}` },
    h('h3', {}, title),
    ['short', 'long'].map((context) => [
      isBase ? null : tokenStrip(`${context}, policy`, context, pieces, after[context][name].logps),
      tokenStrip(`${context}, reference`, context, pieces, before[context][name].logps),
      isBase
        ? null
        : differenceStrip('difference', 'both', pieces, after[context][name].logps, before[context][name].logps),
    ]),
  );
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), reject(new Error('left'))), { once: true });
  });
}
