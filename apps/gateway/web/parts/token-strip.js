import { h } from '../dom.js';
import { metric, percent } from '../format.js';

/** Each token on a ground that is the stronger the less the model expected it. */
export function tokenStrip(name, kind, pieces, logps) {
  return strip(name, kind, pieces, metric(sumOf(logps)), (index) => {
    const value = logps[index] ?? 0;
    return {
      told: `${metric(value)} (${percent(Math.exp(value))})`,
      style: { '--doubt': `${Math.round(100 * (1 - Math.exp(value / 2)))}%` },
    };
  });
}

/** What one model gives each token more (green) or less (red) than another, in nats. */
export function differenceStrip(name, kind, pieces, logps, others) {
  const differences = logps.map((value, index) => value - (others[index] ?? 0));
  return strip(name, kind, pieces, signed(sumOf(differences)), (index) => {
    const value = differences[index];
    return {
      told: signed(value),
      style: { '--doubt': `${Math.round(100 * (1 - Math.exp(-Math.abs(value) / 2)))}%` },
      kind: value >= 0 ? 'more' : 'less',
    };
  });
}

function strip(name, kind, pieces, sum, cell) {
  return h(
    'div',
    { class: 'strip' },
    h('span', { class: `strip-name ${kind}` }, name),
    h(
      'span',
      { class: 'tokens' },
      pieces.map((piece, index) => {
        const { told, style, kind: side = '' } = cell(index);
        return h(
          'span',
          { class: `token ${side}`, title: `${JSON.stringify(piece)}: ${told}`, style },
          visible(piece),
          h('span', { class: 'visually-hidden' }, ` ${told} `),
        );
      }),
    ),
    h('span', { class: 'sum', title: 'Sum of the log-probabilities' }, `Σ ${sum}`),
  );
}

const signed = (value) => `${value > 0 ? '+' : ''}${metric(value)}`;
const visible = (piece) => piece.replaceAll('\n', '↵').replace(/^ /, '\u00a0') || '∅';
const sumOf = (values) => values.reduce((total, value) => total + value, 0);
