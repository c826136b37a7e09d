import { get } from '../api.js';
import { fill, h, setText } from '../dom.js';
import { whole } from '../format.js';
import { crumbs } from '../parts/crumbs.js';
import { tag } from '../parts/labels.js';

const PAGE = 50;
const COLUMNS = ['Question', 'Chosen', 'Rejected', 'Context tokens'];
const FILTERS = ['search', 'minLongTokens', 'maxLongTokens'];
const SPLITS = [
  ['', 'All'],
  ['training', 'Training'],
  ['held-out', 'Held out'],
];

const WHAT = {
  sampled: 'A right and a wrong answer to the same question, sampled where the model is good',
  samples: 'One answer to each question, as it was sampled: what is learned from it is its predictions',
};

/** The preference pairs of a run: which, how many, one page at a time. */
export async function pairsPage({ id, query, signal, go, announce }) {
  const path = `/v1/runs/${encodeURIComponent(id)}`;
  const run = await get(path, signal);
  const choice = {
    split: query.get('split') ?? '',
    search: query.get('search') ?? '',
    minLongTokens: query.get('minLongTokens') ?? '',
    maxLongTokens: query.get('maxLongTokens') ?? '',
    offset: Number(query.get('offset') ?? 0),
  };
  const list = h('div', { class: 'card table-scroll' });
  const where = h('span', { class: 'where', role: 'status' });
  const [back, on] = [-PAGE, PAGE].map((by) =>
    h(
      'button',
      { type: 'button', onclick: () => turn({ offset: Math.max(0, choice.offset + by) }) },
      by < 0 ? 'Previous' : 'Next',
    ),
  );

  const show = async () => {
    const wanted = new URLSearchParams({ offset: choice.offset, limit: PAGE + 1 });
    if (choice.split !== '') wanted.set('split', choice.split);
    for (const key of FILTERS) if (choice[key] !== '') wanted.set(key, choice[key]);
    const found = await get(`${path}/pairs?${wanted}`, signal);
    const pairs = found.slice(0, PAGE);
    const total = FILTERS.every((key) => choice[key] === '') ? totalOf(run, choice.split) : null;
    back.disabled = choice.offset === 0;
    on.disabled = found.length <= PAGE;
    const last = choice.offset + pairs.length;
    setText(
      where,
      pairs.length === 0
        ? 'none'
        : `${whole(choice.offset + 1)}–${whole(last)}${total === null ? '' : ` of ${whole(total)}`}`,
    );
    fill(list, pairs.length === 0 ? nothing(run, choice) : pairsTable(id, pairs, choice));
  };
  const turn = async (change) => {
    Object.assign(choice, change);
    const kept = new URLSearchParams(Object.entries(choice).filter(([, value]) => value !== '' && value !== 0));
    go(`#/runs/${id}/pairs${kept.size > 0 ? `?${kept}` : ''}`);
    await show();
    announce(`Pairs ${where.textContent}`);
  };

  await show();
  return {
    title: `Pairs of ${run.config.name}`,
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        crumbs(['Runs', '#/'], [run.config.name, `#/runs/${id}`]),
        h('h1', {}, 'Pairs'),
        h('p', { class: 'sub' }, WHAT[run.config.pairing.mode] ?? WHAT.sampled),
      ),
      h(
        'form',
        { class: 'toolbar', role: 'search', onsubmit: (event) => event.preventDefault() },
        splitControl(choice, turn),
        h('input', {
          type: 'search',
          name: 'search',
          value: choice.search,
          placeholder: 'Search questions and answers',
          'aria-label': 'Search questions and answers',
          oninput: later((event) => turn({ search: event.target.value.trim(), offset: 0 })),
        }),
        h(
          'fieldset',
          { class: 'range' },
          h('legend', { class: 'visually-hidden' }, 'Tokens of the long context'),
          h('span', { 'aria-hidden': 'true' }, 'Long tokens'),
          ['minLongTokens', 'maxLongTokens'].map((key, index) =>
            h('input', {
              type: 'number',
              min: 0,
              value: choice[key],
              placeholder: index === 0 ? 'from' : 'to',
              'aria-label': index === 0 ? 'Long context, tokens at least' : 'Long context, tokens at most',
              oninput: later((event) => turn({ [key]: event.target.value.trim(), offset: 0 })),
            }),
          ),
        ),
        h('div', { class: 'pager' }, where, back, on),
      ),
      list,
    ),
  };
}

function splitControl(choice, turn) {
  return h(
    'fieldset',
    { class: 'segments' },
    h('legend', { class: 'visually-hidden' }, 'Split'),
    SPLITS.map(([value, name]) =>
      h(
        'label',
        {},
        h('input', {
          type: 'radio',
          name: 'split',
          value,
          checked: choice.split === value,
          onchange: () => turn({ split: value, offset: 0 }),
        }),
        h('span', {}, name),
      ),
    ),
  );
}

function pairsTable(id, pairs, { split }) {
  return h(
    'table',
    { class: 'pairs cards' },
    h('caption', { class: 'visually-hidden' }, 'Preference pairs'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        COLUMNS.map((name) => h('th', { scope: 'col' }, name)),
      ),
    ),
    h(
      'tbody',
      {},
      pairs.map((pair) =>
        h(
          'tr',
          {},
          h(
            'th',
            { scope: 'row' },
            h('a', { class: 'row-link', href: `#/runs/${id}/pairs/${pair.digest}` }, pair.question),
            h('span', { class: 'sub' }, pair.example, split === '' && pair.heldOut && tag('held out')),
          ),
          h('td', { 'data-label': COLUMNS[1] }, h('span', { class: 'answer chosen' }, pair.chosen)),
          h(
            'td',
            { 'data-label': COLUMNS[2] },
            pair.rejected !== null && h('span', { class: 'answer rejected' }, pair.rejected),
          ),
          h(
            'td',
            { 'data-label': COLUMNS[3], class: 'number' },
            `${whole(pair.shortTokens)} → ${whole(pair.longTokens)}`,
          ),
        ),
      ),
    ),
  );
}

function nothing(run, choice) {
  const isNarrowed = choice.split !== '' || FILTERS.some((key) => choice[key] !== '');
  const found = isNarrowed ? 'No pair fits; change the search, the split or the lengths.' : null;
  const why = run.pairs === null ? 'The run has not come to its pairs yet.' : 'The run has no pairs.';
  return h('p', { class: 'chart-empty still' }, found ?? why);
}

function totalOf(run, split) {
  const counts = run.stages.find(({ kind }) => kind === 'pair')?.result;
  if (counts?.pairs === undefined) return null;
  const heldOut = counts.heldOut ?? 0;
  if (split === 'training') return counts.pairs;
  return split === 'held-out' ? heldOut : counts.pairs + heldOut;
}

function later(listener) {
  let timer;
  return (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => listener(event).catch(() => undefined), 250);
  };
}
