import { h, setText } from '../dom.js';

const WAIT_MS = 4000;

/** Does something on the second press, within four seconds of the first. */
export function sureButton(name, sure, act, label) {
  const button = h(
    'button',
    { type: 'button', class: 'danger', onclick: () => press(), 'aria-label': label?.(name) },
    name,
  );
  let timer;
  const reset = () => {
    clearTimeout(timer);
    timer = undefined;
    show(name);
  };
  const show = (text) => {
    setText(button, text);
    if (label !== undefined) button.setAttribute('aria-label', label(text));
  };
  const press = async () => {
    if (timer === undefined) {
      show(sure);
      timer = setTimeout(reset, WAIT_MS);
      return;
    }
    reset();
    button.disabled = true;
    await act().finally(() => (button.disabled = false));
  };
  return button;
}
