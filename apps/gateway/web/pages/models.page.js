import { get } from '../api.js';
import { h } from '../dom.js';
import { ago, digest as shortened, NONE, short, when, whole } from '../format.js';

const COLUMNS = ['Model', 'What it is', 'To know before it is trained', 'When'];

/** Registered models: what each is, and what training or serving it would suffer from. */
export async function modelsPage({ signal }) {
  const views = await get('/v1/models', signal);
  const models = await Promise.all(views.map(({ digest }) => get(`/v1/models/${digest}`, signal)));
  const latestFirst = models.toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
  return {
    title: 'Models',
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        h('h1', {}, 'Models'),
        h(
          'p',
          { class: 'sub' },
          'What was registered, and what to know of it. Of a folder that is not registered yet ',
          h('code', {}, './solopo models check FOLDER'),
          ' tells the same and more.',
        ),
      ),
      h('div', { class: 'card table-scroll' }, models.length === 0 ? none() : modelsTable(latestFirst)),
    ),
  };
}

function none() {
  return h(
    'div',
    { class: 'welcome' },
    h('h2', {}, 'None yet'),
    h('p', {}, 'Register one: ', h('code', {}, './solopo models add FOLDER --name NAME')),
  );
}

function modelsTable(models) {
  return h(
    'table',
    { class: 'letters cards' },
    h('caption', { class: 'visually-hidden' }, 'Models, latest first'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        COLUMNS.map((name) => h('th', { scope: 'col' }, name)),
      ),
    ),
    h('tbody', {}, models.map(modelRow)),
  );
}

function modelRow({ name, digest, family, parameters, source, warnings, createdAt, config, files }) {
  const cell = (index, ...children) => h('td', { 'data-label': COLUMNS[index] }, ...children);
  const { maxPositions } = config;
  const facts = [
    `${family}, ${short(parameters)} parameters`,
    typeof maxPositions === 'number' && `${whole(maxPositions)} positions`,
    source && `dequantised from ${source.format.toUpperCase()} ${source.file_type}`,
  ].filter(Boolean);
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, name, h('span', { class: 'sub' }, h('code', {}, shortened(digest)))),
    cell(
      1,
      facts.map((fact) => h('span', { class: 'reason' }, fact)),
      h('span', { class: 'sub' }, Object.keys(files).join(', ')),
    ),
    cell(2, warnings.length === 0 ? NONE : warnings.map((warning) => h('span', { class: 'reason' }, warning))),
    cell(3, h('time', { datetime: createdAt, title: when(createdAt) }, ago(createdAt))),
  );
}
