import { h } from '../dom.js';

export const stateLabel = (state) => h('span', { class: `state ${state}` }, state);

export const tag = (text, title) => h('span', { class: 'tag', title }, text);

/** `dpo · β 0.5`, `simpo · β 2.5 · γ 1` */
export function objectiveText({ objective, adapter }) {
  const { kind, beta, gamma, loss } = objective;
  return [
    loss === undefined || loss === 'sigmoid' ? kind : `${kind} (${loss})`,
    beta !== undefined && `β ${beta}`,
    gamma !== undefined && `γ ${gamma}`,
    adapter && `LoRA ${adapter.rank}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** A bar that a screen reader hears, too. */
export function progressBar(label) {
  const element = h('progress', { max: 1, value: 0, 'aria-label': label });
  return {
    element,
    update: ({ done, total }) => {
      element.max = Math.max(1, total);
      element.value = done;
    },
  };
}
