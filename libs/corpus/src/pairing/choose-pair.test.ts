import { describe, expect, it } from 'vitest';
import { choosePair } from './choose-pair.ts';

const sample = (text: string, correct: boolean, finish: 'stop' | 'length' = 'stop') => ({ text, correct, finish });
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

  it('never chooses an answer that was cut, unless it is told to keep them; a wrong one may be rejected', () => {
    const right = sample('whole', true);
    const samples = [sample('cut', true, 'length'), right, sample('wrong', false, 'length')];
    const drawn = (cutAnswers?: 'refuse' | 'keep') =>
      new Set(
        Array.from({ length: 20 }, (_, seed) => {
          const choice = choosePair(samples, { ...options, cutAnswers, seed });
          return 'refused' in choice ? choice.refused : `${choice.chosen?.text} ${choice.rejected?.text}`;
        }),
      );
    expect(drawn('refuse')).toEqual(new Set(['whole wrong']));
    expect(drawn('keep')).toEqual(new Set(['whole wrong', 'cut wrong']));
    expect(drawn()).toEqual(drawn('keep'));
    const allCut = samples.filter((one) => one !== right);
    expect(choosePair(allCut, { ...options, cutAnswers: 'refuse' })).toEqual({ refused: 'right-were-cut' });
    expect(choosePair(allCut, { ...options, mode: 'gold-chosen', cutAnswers: 'refuse' })).toMatchObject({
      chosen: null,
    });
  });

  it('takes the gold answer as the chosen one', () => {
    const wrong = sample('wrong', false);
    expect(choosePair([wrong], { ...options, mode: 'gold-chosen' })).toEqual({ chosen: null, rejected: wrong });
  });

  it('draws one of the samples, whatever the judge says, and rejects none', () => {
    const drawn = Array.from({ length: 40 }, (_, seed) => choosePair(mixed, { ...options, mode: 'samples', seed }));
    expect(new Set(drawn.map((choice) => ('refused' in choice ? choice.refused : choice.chosen?.text))).size).toBe(6);
    for (const choice of drawn) expect(choice).toHaveProperty('rejected', null);
    const samples = [sample('cut', true, 'length'), sample('whole', false)];
    for (const seed of [1, 2, 3, 4])
      expect(choosePair(samples, { ...options, mode: 'samples', cutAnswers: 'refuse', seed })).toEqual({
        chosen: samples[1],
        rejected: null,
      });
    expect(choosePair(samples.slice(0, 1), { ...options, mode: 'samples', cutAnswers: 'refuse' })).toEqual({
      refused: 'all-cut',
    });
  });

  it.each([
    ['no-samples', 'samples', []],
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
