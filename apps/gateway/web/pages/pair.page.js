import { get } from '../api.js';
import { h } from '../dom.js';
import { digest, whole } from '../format.js';
import { crumbs } from '../parts/crumbs.js';
import { tag } from '../parts/labels.js';
import { pairInspection } from '../parts/pair-inspection.js';
import { tokenStrip } from '../parts/token-strip.js';

/** One pair: both answers with the reference's log-probabilities, and what they were asked from, with the evidence marked. */
export async function pairPage({ id, pair: pairDigest, query, signal, go, announce }) {
  const path = `/v1/runs/${encodeURIComponent(id)}`;
  const [run, pair, alignments] = await Promise.all([
    get(path, signal),
    get(`${path}/pairs/${encodeURIComponent(pairDigest)}`, signal),
    get(`${path}/alignments`, signal),
  ]);
  const inspection = pairInspection({ run, pair, alignments, query, signal, go, announce });
  return {
    title: pair.question,
    element: h(
      'div',
      { class: 'page' },
      h(
        'div',
        { class: 'page-head' },
        crumbs(['Runs', '#/'], [run.config.name, `#/runs/${id}`], ['Pairs', `#/runs/${id}/pairs`]),
        h('h1', { class: 'question' }, pair.question),
        h(
          'p',
          { class: 'sub' },
          tag(pair.heldOut ? 'held out' : 'training'),
          pair.example,
          h('code', { title: pair.digest }, digest(pair.digest)),
        ),
      ),
      h(
        'div',
        { class: 'sides' },
        response('Chosen', 'chosen', pair.chosen, pair.responses.chosen),
        pair.responses.rejected !== null && response('Rejected', 'rejected', pair.rejected, pair.responses.rejected),
      ),
      inspection.element,
      h(
        'div',
        { class: 'sides contexts' },
        context('Short context', 'short', pair.short),
        context('Long context', 'long', pair.long),
      ),
    ),
  };
}

function response(title, kind, text, { pieces, logps }) {
  const contexts = ['short', 'long'].filter((name) => logps[name] !== null);
  return h(
    'section',
    { class: `card response ${kind}` },
    h('header', {}, h('h2', {}, title), h('span', { class: 'sub' }, `${whole(pieces.length)} tokens`)),
    h('p', { class: 'answer-text' }, text || '(empty)'),
    h('h3', {}, 'Reference'),
    contexts.length === 0
      ? h('p', { class: 'hint' }, 'The reference was not asked for this pair.')
      : contexts.map((name) => tokenStrip(name, name, pieces, logps[name])),
  );
}

function context(title, kind, { tokens, pieces }) {
  const marks = [];
  const text = h(
    'div',
    { class: 'context-text', tabindex: 0, role: 'region', 'aria-label': title },
    pieces.map((piece) => {
      if (!piece.evidence) return piece.text;
      const mark = h('mark', {}, piece.text);
      marks.push(mark);
      return mark;
    }),
  );
  return h(
    'section',
    { class: `card context ${kind}` },
    h('header', {}, h('h2', {}, title), h('span', { class: 'sub' }, `${whole(tokens)} tokens`)),
    placesOfEvidence(pieces, marks, text),
    text,
  );
}

/** Where in the context the evidence lies; a press goes there. */
function placesOfEvidence(pieces, marks, text) {
  const length = pieces.reduce((sum, piece) => sum + piece.text.length, 0);
  let at = 0;
  const segments = [];
  for (const piece of pieces) {
    if (piece.evidence) {
      const mark = marks[segments.length];
      const number = segments.length + 1;
      const style = { left: `${(100 * at) / length}%`, width: `${(100 * piece.text.length) / length}%` };
      const show = () => text.scrollTo({ top: mark.offsetTop - text.offsetTop - 24, behavior: 'smooth' });
      segments.push(
        h('button', {
          type: 'button',
          style,
          'aria-label': `Show evidence ${number}`,
          title: `Evidence ${number}`,
          onclick: show,
        }),
      );
    }
    at += piece.text.length;
  }
  return h('div', { class: 'places', role: 'group', 'aria-label': 'Places of the evidence' }, segments);
}
