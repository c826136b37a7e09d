import { h } from '../dom.js';
import { digest, words } from '../format.js';

/** What people look for first; the rest follows. */
const ORDER = [
  'arm',
  'model',
  'dataset',
  'seed',
  'engine',
  'precision',
  'objective',
  'alignment',
  'training',
  'adapter',
  'contexts',
  'sampling',
  'pairing',
  'evaluation',
  'watch',
  'prompt',
];
const HEX = /^[0-9a-f]{64}$/;

/** A run's configuration as lists that can be read, one a part; the single values come first. */
export function configList(config, names) {
  const place = (key) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
  const entries = Object.entries(config)
    .filter(([key]) => key !== 'name')
    .sort(([a], [b]) => place(a) - place(b));
  const isPart = ([, value]) => value !== null && typeof value === 'object' && !Array.isArray(value);
  const basics = Object.fromEntries(entries.filter((entry) => !isPart(entry)));
  const part = (title, values) =>
    h('section', { class: 'config-part' }, h('h3', {}, words(title)), h('dl', {}, rowsOf(values, names)));
  return h(
    'div',
    { class: 'config' },
    part('run', basics),
    entries.filter(isPart).map(([key, value]) => part(key, value)),
  );
}

function rowsOf(values, names, prefix = '') {
  return Object.entries(values).flatMap(([key, value]) => {
    const name = prefix === '' ? words(key) : `${prefix} ${words(key)}`;
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return rowsOf(value, names, name);
    return [h('dt', {}, name), h('dd', {}, textOf(value, names))];
  });
}

function textOf(value, names) {
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return String(value);
  if (HEX.test(value)) return h('span', { title: value }, names.get(value) ?? '', h('code', {}, digest(value)));
  return /[\s{]/.test(value) || value === '' ? h('code', { class: 'text' }, JSON.stringify(value)) : value;
}
