import { describe, expect, it } from 'vitest';
import { demoResult } from './demo.result.ts';
import { FINISHED, MODEL } from './run.fixture.ts';

const facts = { corpus: 'retrieval', quick: false, seed: 7, seconds: 12, model: MODEL, rows: { pairs: 384 } };

describe('the result of a demo', () => {
  const result = demoResult({ ...facts, runs: FINISHED });
  const [short, solo] = result.arms;

  it('has the base and the last policies by context length', () => {
    expect(result.base.accuracy.map(({ documents, mean, n }) => [documents, mean, n])).toEqual([
      [4, 0.95, 100],
      [16, 0.6, 100],
    ]);
    expect(result.base.accuracy[0]?.tokens).toBeCloseTo(54.8);
    expect(solo?.accuracy.map(({ mean }) => mean)).toEqual([0.97, 0.8]);
    expect(solo?.alignments.map(({ step }) => step)).toEqual([0, 20]);
  });

  it('compares every arm with the base, and solo with the others', () => {
    expect(short?.differenceToBase.map(({ difference, separated }) => [difference, separated])).toEqual([
      [0.02, false],
      [-0.2, true],
    ]);
    expect(short?.differenceToArms).toEqual({});
    expect(solo?.differenceToArms['short']?.map(({ difference, separated }) => [difference, separated])).toEqual([
      [0, false],
      [0.4, true],
    ]);
  });

  it('counts a shared stage once', () => {
    expect(result.sharing).toEqual({ wanted: 10, run: 5 });
    expect(result.stages[2]).toEqual({ kind: 'pair', counts: { pairs: 320, heldOut: 64 } });
  });

  it('has the work of all runs', () => {
    const told = FINISHED.map((one) => ({ ...one, run: { ...one.run, work: { jobs: 10, executions: 11 } } }));
    expect(demoResult({ ...facts, runs: told }).work).toEqual({ jobs: 10 * told.length, executions: 11 * told.length });
  });

  it('leaves out a length at which nothing could be asked', () => {
    const runs = FINISHED.map((run) => ({
      ...run,
      evaluations: run.evaluations.map((one) =>
        one.documents === 16 ? { ...one, n: 0, correct: 0, outcomes: '' } : one,
      ),
    }));
    expect(demoResult({ ...facts, runs }).arms[1]?.differenceToBase.map(({ documents }) => documents)).toEqual([4]);
  });
});
