import { h } from '../dom.js';

/** What went wrong, and what to do next. */
export const problem = (title, text) =>
  h('div', { class: 'problem', role: 'alert' }, h('strong', {}, title), h('p', {}, text));
