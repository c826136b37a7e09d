import { describe, expect, it } from 'vitest';
import { choosePair } from './choose-pair.ts';

const sample = (text: string, correct: boolean) => ({ text, correct });
const options = { mode: 'sampled', gold: 'gold', seed: 7, example: 'e1' } as const;
const mixed = ['a', 'b', 'c', 'd', 'e', 'f'].map((text, index) => sample(text, index < 3));

describe('choosePair', () => {
  it('draws a right and a wrong sample, by seed and example', () => {
    const choice = choosePair(mixed, options);
    expect(choice).toMatchObject({ chosen: { correct: true }, rejected: { correct: false } });
    expect(choosePair(mixed, options)).toEqual(choice);
    const draws = Array.from({ length: 40 }, (_, seed) => JSON.stringify(choosePair(mixed, { ...options, seed })));
    expect(new Set(draws).size).toBe(9);
    const examples = Array.from({ length: 40 }, (_, i) =>
      JSON.stringify(choosePair(mixed, { ...options, example: `e${i}` })),
    );
    expect(new Set(examples).size).toBe(9);
  });

  it('takes the gold answer as the chosen one', () => {
    const wrong = sample('wrong', false);
    expect(choosePair([wrong], { ...options, mode: 'gold-chosen' })).toEqual({ chosen: null, rejected: wrong });
  });

  it.each([
    ['no-samples', 'sampled', []],
    ['all-right', 'sampled', [sample('a', true)]],
    ['all-wrong', 'sampled', [sample('a', false)]],
    ['no-wrong-sample', 'gold-chosen', [sample('a', true)]],
    ['identical-texts', 'gold-chosen', [sample(' gold ', false)]],
    ['identical-texts', 'sampled', [sample('a b', true), sample('a  b', false)]],
  ] as const)('refuses: %s (%s)', (refused, mode, samples) => {
    expect(choosePair([...samples], { ...options, mode })).toEqual({ refused });
  });
});
