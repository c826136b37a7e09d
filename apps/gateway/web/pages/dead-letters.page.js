import { get, post, remove } from '../api.js';
import { fill, h, setText } from '../dom.js';
import { ago, digest, when } from '../format.js';
import { tag } from '../parts/labels.js';
import { problem } from '../parts/problem.js';
import { sureButton } from '../parts/sure-button.js';
import { soon } from '../timing.js';

const COLUMNS = ['Job', 'What went wrong', 'Attempts', 'When', ''];

/** Jobs that could not be done: why, and a button to try again. */
export async function deadLettersPage({ signal, follow, announce, countDeadLetters }) {
  const list = h('div', { class: 'card table-scroll' });
  const trouble = h('div', {});
  let shown;
  const load = async () => {
    const letters = await get('/v1/dead-letters?limit=200', signal);
    countDeadLetters();
    // A table that is made anew forgets a first press, and where the focus is.
    if (JSON.stringify(letters) === shown) return;
    shown = JSON.stringify(letters);
    fill(list, letters.length === 0 ? none() : lettersTable(letters, { retry, discard }));
  };
  const retry = async (letter, button) => {
    button.disabled = true;
    try {
      const { runs = [] } = await post(`/v1/dead-letters/${letter.id}/retry`);
      fill(trouble);
      announce(`Retried; ${runs.length} runs go on`);
      await load();
    } catch (error) {
      button.disabled = false;
      fill(trouble, problem('The job was not retried', error.message));
    }
  };
  const discard = async ({ id }) => {
    try {
      await remove(`/v1/dead-letters/${id}`);
      fill(trouble);
      announce(`Dead letter ${id} discarded`);
      await load();
    } catch (error) {
      fill(trouble, problem('The letter was not discarded', error.message));
    }
  };

  await load();
  const refresh = soon(load, 300);
  follow('/v1/events', { opened: load, received: ({ type }) => type === 'run.state' && refresh() });
  return {
    title: 'Dead letters',
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        h('h1', {}, 'Dead letters'),
        h(
          'p',
          { class: 'sub' },
          'Jobs that failed for good. Mend the cause, then try again: the runs that failed with them go on. A discarded letter is deleted, and its runs stay failed.',
        ),
      ),
      trouble,
      list,
    ),
  };
}

function none() {
  return h('div', { class: 'welcome' }, h('h2', {}, 'None'), h('p', {}, 'Every job that was begun could be done.'));
}

function lettersTable(letters, actions) {
  return h(
    'table',
    { class: 'letters cards' },
    h('caption', { class: 'visually-hidden' }, 'Dead letters, latest first'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        COLUMNS.map((name) =>
          h('th', { scope: 'col' }, name === '' ? h('span', { class: 'visually-hidden' }, 'Action') : name),
        ),
      ),
    ),
    h(
      'tbody',
      {},
      letters.map((letter) => letterRow(letter, actions)),
    ),
  );
}

function letterRow(letter, { retry, discard }) {
  const { id, subject, job, reason, code, attempts, createdAt, retriedAt } = letter;
  const button = h('button', {
    type: 'button',
    onclick: () => retry(letter, button),
    'aria-label': `Retry dead letter ${id}`,
  });
  setText(button, 'Retry');
  const cell = (index, ...children) => h('td', { 'data-label': COLUMNS[index] }, ...children);
  return h(
    'tr',
    {},
    h(
      'th',
      { scope: 'row' },
      h('code', {}, subject),
      h('span', { class: 'sub' }, job?.stage ? `stage ${digest(job.stage)}, chunk ${job.chunk}` : `letter ${id}`),
    ),
    cell(1, tag(code), h('span', { class: 'reason' }, reason)),
    cell(2, String(attempts)),
    cell(3, h('time', { datetime: createdAt, title: when(createdAt) }, ago(createdAt))),
    cell(
      4,
      h(
        'span',
        { class: 'row-actions' },
        retriedAt === null ? button : h('span', { class: 'sub' }, `retried ${ago(retriedAt)}`),
        sureButton(
          'Discard',
          'Press again to discard',
          () => discard(letter),
          (text) => `${text} dead letter ${id}`,
        ),
      ),
    ),
  );
}
