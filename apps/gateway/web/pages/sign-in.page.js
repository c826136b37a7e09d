import { session } from '../api.js';
import { h } from '../dom.js';

export const SIGN_IN = 'Sign in';

/** Asks for a token when the gateway wants one. It stays in this tab's session storage. */
export function signInPage({ wasWrong, again }) {
  const input = h('input', {
    id: 'token',
    name: 'token',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    spellcheck: 'false',
    'aria-describedby': 'token-hint',
  });
  const submit = (event) => {
    event.preventDefault();
    session.keep(input.value.trim());
    again();
  };
  return {
    title: SIGN_IN,
    element: h(
      'div',
      { class: 'page narrow' },
      h(
        'form',
        { class: 'card sign-in', onsubmit: submit },
        h('h1', {}, SIGN_IN),
        wasWrong &&
          h(
            'p',
            { class: 'problem', role: 'alert' },
            'The gateway did not take that token; paste one that has not been revoked.',
          ),
        h('label', { for: 'token' }, 'Token'),
        input,
        h(
          'p',
          { id: 'token-hint', class: 'hint' },
          'One with the scope read shows everything; run lets you cancel and retry. It is kept for this tab only.',
        ),
        h('button', { type: 'submit', class: 'primary' }, SIGN_IN),
      ),
    ),
  };
}
