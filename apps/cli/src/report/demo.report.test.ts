import { describe, expect, it } from 'vitest';
import { demoResult } from '../demo/demo.result.ts';
import { FINISHED, MODEL } from '../demo/run.fixture.ts';
import { demoReport } from './demo.report.ts';
import { points } from './numbers.ts';
import { table } from './table.ts';

const facts = {
  corpus: 'retrieval',
  quick: false,
  seed: 7,
  seconds: 12.3,
  model: MODEL,
  rows: { samples: 4800, pairs: 384 },
};

describe('a table', () => {
  it('has its first column to the left and lines below each other', () => {
    expect(
      table([
        ['', 'a'],
        ['name', ['1.0', '[0.5, 1.5]']],
        ['x', '2'],
      ]),
    ).toBe(['               a', 'name         1.0', '      [0.5, 1.5]', 'x              2'].join('\n'));
  });
});

describe('points', () => {
  it('have a sign, but none where nothing is left after rounding', () => {
    expect([0.0123, -0.0123, 0.0001, -0.0001, 0].map(points)).toEqual(['+1.2', '-1.2', '0.0', '0.0', '0.0']);
  });
});

describe('the report', () => {
  it('of several arms compares them', () => {
    expect(demoReport(demoResult({ ...facts, runs: FINISHED }))).toMatchInlineSnapshot(`
      "Accuracy in %, with 95 % intervals, on 100 held-out questions a length

                4 documents  16 documents
                  55 tokens    219 tokens
        base           95.0          60.0
               [88.8, 97.8]  [50.2, 69.1]
        short          97.0          40.0
               [91.5, 99.0]  [30.9, 49.8]
        solo           97.0          80.0
               [91.5, 99.0]  [71.1, 86.7]

      Differences in points, with 95 % intervals, paired by question

                        4 documents    16 documents
                          55 tokens      219 tokens
        short - base           +2.0           -20.0
                       [-1.9, +5.8]  [-27.8, -11.4]
                      not separated
        solo - base            +2.0           +20.0
                       [-1.9, +5.8]  [+11.4, +27.8]
                      not separated
        solo - short            0.0           +40.0
                       [-2.7, +2.7]  [+29.4, +49.1]
                      not separated

      Held-out pairs, last policy versions

                      solo/           solo/    solo/               solo/        solo/          solo/
               margin_short  accuracy_short  gap_abs  logp_gap_per_token  margin_long  accuracy_long
        base          0.000               -    1.000                   -            -          0.750
        short         2.000               -    4.000                   -            -          0.750
        solo          2.000               -    2.000                   -            -          0.750

      Cost

               pairs  steps  policy tokens  reference tokens  training seconds
        short    320     20         51,200            61,440               2.0
        solo     320     20        128,000            61,440               6.0

      Counts

        compose  composed 590, refused 10 (too-few-documents 10)
        sample   samples 4,720
        pair     pairs 320, held out 64
        score    rows 768, tokens 26,943

      Rows of the evidence tables

        pairs      384
        samples  4,800

      The runs asked for 10 stages and share 5 of them: 5 were run. 12 seconds in all.
      "
    `);
  });

  it('of one arm shows how it went, step by step', () => {
    expect(demoReport(demoResult({ ...facts, runs: FINISHED.slice(1) }))).toMatchInlineSnapshot(`
      "Training, by step

        step   loss    solo/  rewards/    rewards/    solo/
                     loss_po   margins  accuracies  gap_abs
        1     0.693        -     0.000           -        -
        2     0.400        -     0.000           -        -

      Held-out pairs, by policy version (step 0 is the base)

        step         solo/           solo/    solo/               solo/        solo/          solo/
              margin_short  accuracy_short  gap_abs  logp_gap_per_token  margin_long  accuracy_long
        0            0.000               -    1.000                   -            -          0.750
        20           2.000               -    2.000                   -            -          0.750

      Accuracy in %, with 95 % intervals, on 100 held-out questions a length

               4 documents  16 documents
                 55 tokens    219 tokens
        base          95.0          60.0
              [88.8, 97.8]  [50.2, 69.1]
        solo          97.0          80.0
              [91.5, 99.0]  [71.1, 86.7]

      Differences in points, with 95 % intervals, paired by question

                       4 documents    16 documents
                         55 tokens      219 tokens
        solo - base           +2.0           +20.0
                      [-1.9, +5.8]  [+11.4, +27.8]
                     not separated

      Cost

              pairs  steps  policy tokens  reference tokens  training seconds
        solo    320     20        128,000            61,440               6.0

      Counts

        compose  composed 590, refused 10 (too-few-documents 10)
        sample   samples 4,720
        pair     pairs 320, held out 64
        score    rows 768, tokens 26,943

      Rows of the evidence tables

        pairs      384
        samples  4,800

      12 seconds in all.
      "
    `);
  });
});
