import { Random } from '@solopo/random';
import { describe, expect, test } from 'vitest';
import { TokenDistribution } from './token-distribution.ts';

/** What may be drawn and how probably, the slow way: sorted, in doubles. */
function kept(logits: readonly number[], temperature: number, topP: number): Map<number, number> {
  const greatest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp((logit - greatest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = weights.map((_, token) => token).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const chosen: number[] = [];
  let sum = 0;
  for (const token of order) {
    if (sum >= topP * total) break;
    sum += weights[token]!;
    chosen.push(token);
  }
  return new Map(chosen.sort((a, b) => a - b).map((token) => [token, weights[token]! / sum]));
}

/** As the head's graph gives it. */
function distribution(logits: readonly number[], temperature: number, topP: number): TokenDistribution {
  const probabilities = (t: number): Float32Array => {
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit / t), 0);
    return Float32Array.from(logits, (logit) => Math.exp(logit / t) / total);
  };
  const weights = probabilities(temperature);
  const of = { greatest: Math.max(...weights), likeliest: Math.max(...probabilities(1)) };
  return new TokenDistribution(weights, of, { temperature, topP });
}

const random = new Random('token-distribution', 1);
/** More than one block of tokens, the last one not full. */
const rows = [1, 5, 128, 129, 1000].map((size) => Array.from({ length: size }, () => 4 * random.float() - 2));

describe.each([
  [1, 1],
  [0.5, 1],
  [0.85, 0.9],
  [2, 0.5],
  [1, 1e-6],
])('at temperature %d, top-p %d', (temperature, topP) => {
  test('each token is drawn for its own part of [0, 1), in the order of tokens', () => {
    for (const logits of rows) {
      const draws = distribution(logits, temperature, topP);
      let from = 0;
      for (const [token, probability] of kept(logits, temperature, topP)) {
        for (const part of [0.1, 0.5, 0.9]) expect(draws.draw(from + part * probability).token).toBe(token);
        from += probability;
      }
      expect(from).toBeCloseTo(1, 9);
    }
  });

  test('the log-probability is that of the model itself', () => {
    for (const logits of rows) {
      const logSum = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
      const draws = distribution(logits, temperature, topP);
      for (const u of [0, 0.3, 0.7, 1 - 2 ** -32]) {
        const { token, logp } = draws.draw(u);
        expect(logp).toBeCloseTo(logits[token]! - logSum, 5);
      }
    }
  });
});

test('of tokens that are equally likely at the cut, the first ones stay', () => {
  const draws = distribution(new Array<number>(300).fill(0), 1, 0.5);
  const drawn = new Set(Array.from({ length: 3000 }, (_, i) => draws.draw(i / 3000).token));
  expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, token) => token));
});

test('a token whose weight is 0 is not drawn, where it stands last either', () => {
  const logits = [-1e4, 0, 1, ...new Array<number>(200).fill(-1e4)];
  const draws = distribution(logits, 1, 1);
  expect(new Set([0, 0.2, 0.3, 1 - 2 ** -32].map((u) => draws.draw(u).token))).toEqual(new Set([1, 2]));
});
