import { trainingSchema } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { chunkRange, chunksOf, slicesOf, sliceRange, stepsOf } from './chunks.ts';

const training = (settings: object) => trainingSchema.parse({ pairsPerStep: 16, stepsPerSlice: 25, ...settings });

describe('chunks', () => {
  it('cover every item once, in order', () => {
    for (const kind of ['compose', 'sample', 'score', 'evaluate', 'pair', 'align'] as const)
      for (const items of [1, 249, 250, 251, 499, 500, 501, 3000]) {
        const ranges = Array.from({ length: chunksOf(kind, items) }, (_, chunk) =>
          chunkRange(kind, chunk, items, chunksOf(kind, items)),
        );
        expect(ranges[0]?.from).toBe(0);
        expect(ranges.at(-1)?.to).toBe(items);
        ranges.slice(1).forEach((range, index) => expect(range.from).toBe(ranges[index]?.to));
      }
  });

  it('have the agreed sizes', () => {
    expect(chunksOf('compose', 3000)).toBe(10);
    expect(chunksOf('sample', 3000)).toBe(12);
    expect(chunksOf('pair', 3000)).toBe(1);
    expect(chunksOf('score', 251)).toBe(2);
    expect(chunksOf('align', 64)).toBe(1);
    expect(chunksOf('evaluate', 1000)).toBe(4);
  });

  it('are those that the stage was made with, where an earlier version made it', () => {
    expect(chunkRange('compose', 2, 1234, 3)).toEqual({ from: 1000, to: 1234 });
    expect(chunkRange('compose', 2, 1234, 5)).toEqual({ from: 600, to: 900 });
  });

  it('exist even for no items, so that a stage can end', () => {
    expect(chunksOf('compose', 0)).toBe(1);
    expect(chunkRange('compose', 0, 0, 1)).toEqual({ from: 0, to: 0 });
  });
});

describe('steps', () => {
  it('drop the partial batch of an epoch', () => {
    expect(stepsOf(training({}), 160)).toBe(10);
    expect(stepsOf(training({}), 175)).toBe(10);
    expect(stepsOf(training({ epochs: 3 }), 175)).toBe(30);
  });

  it('keep a partial batch that is the only one', () => {
    expect(stepsOf(training({}), 3)).toBe(1);
    expect(stepsOf(training({ epochs: 2 }), 3)).toBe(2);
  });

  it('end at maxSteps', () => {
    expect(stepsOf(training({ epochs: 3, maxSteps: 7 }), 175)).toBe(7);
    expect(stepsOf(training({ maxSteps: 70 }), 175)).toBe(10);
  });

  it('are cut into slices', () => {
    const settings = training({ epochs: 6 });
    expect(slicesOf(settings, 160)).toBe(3);
    expect([0, 1, 2].map((slice) => sliceRange(settings, slice, 160))).toEqual([
      { from: 0, to: 25 },
      { from: 25, to: 50 },
      { from: 50, to: 60 },
    ]);
  });
});
