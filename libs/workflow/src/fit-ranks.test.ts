import { ONE_RANK, runConfigSchema, type Pool, type RankLayout } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { fitRanks } from './fit-ranks.ts';

const pool = (app: string, layout: Partial<RankLayout> = {}): Pool => ({
  name: app,
  app,
  engines: ['torch'],
  ...ONE_RANK,
  ...layout,
});
const fit = (pools: readonly Pool[], { heads = 9, pairsPerStep = 16, engine = 'torch' } = {}) =>
  fitRanks(
    runConfigSchema.parse({
      name: 'a run',
      model: 'smol',
      dataset: 'questions',
      engine,
      contexts: { long: { documents: 8 } },
      training: { pairsPerStep },
    }),
    { name: 'smol', config: Number.isNaN(heads) ? {} : { heads } },
    pools,
  );

describe('ranks that share sequences', () => {
  it('must divide the attention heads of the model, and are told what does', () => {
    const six = (sequenceRanks: number) => [pool('trainer', { ranks: 6, sequenceRanks })];
    expect(() => fit(six(2), { pairsPerStep: 6 })).toThrow(
      '2 ranks of the pool trainer share each sequence, and the model smol has 9 attention heads, which they cannot share evenly; ' +
        "of 6 ranks, sequence ranks may be 1 or 3: start the pool's workers so (--sequence-ranks, or SOLOPO_SEQUENCE_RANKS), or take another model.",
    );
    expect(fit(six(3))).toEqual([]);
    expect(() => fit([pool('trainer', { ranks: 3, nodes: 6, sequenceRanks: 2 })])).toThrow(/may be 1, 3 or 9: start/);
    expect(fit([pool('trainer', { ranks: 2, sequenceRanks: 2 })], { heads: 14 })).toEqual([]);
  });

  it('are refused in any of the pools that take from the queue', () => {
    const pools = [pool('reward'), pool('reward', { ranks: 2, sequenceRanks: 2 }), pool('trainer')];
    expect(() => fit(pools)).toThrow(/^2 ranks of the pool reward share/);
    expect(fit(pools, { engine: 'onnx' })).toEqual([]);
    // These take no jobs of the engine, and what no file says is left to the engine.
    expect(fit([pool('datagen', { ranks: 2, sequenceRanks: 2 })])).toEqual([]);
    expect(fit(pools, { heads: NaN })).toEqual([]);
  });
});

describe('pairs of a step', () => {
  const trainer = (layout: Partial<RankLayout>) => [pool('reward', { ranks: 5 }), pool('trainer', layout)];

  it.each([
    [{ ranks: 4 }, 16],
    [{ ranks: 8, nodes: 4, sequenceRanks: 2 }, 16],
    [{}, 7],
  ])('that ranks share evenly are nothing to tell of: %j, %i', (layout, pairsPerStep) => {
    expect(fit(trainer(layout), { heads: 8, pairsPerStep })).toEqual([]);
  });

  it('fewer than the ranks leave some without, and the warning says what fits', () => {
    expect(fit(trainer({ ranks: 8, nodes: 2 }), { pairsPerStep: 6 })).toEqual([
      {
        kind: 'uneven-ranks',
        count: 10,
        message:
          'training.pairsPerStep is 6, and the pool trainer deals the pairs of a step to 16 ranks: 10 of these have none in any step; take a multiple of 16, such as 16.',
      },
    ]);
  });

  it('that are no multiple have some wait', () => {
    const [warning] = fit(trainer({ ranks: 6, sequenceRanks: 2 }), { heads: 8, pairsPerStep: 16 });
    expect(warning).toEqual({
      kind: 'uneven-ranks',
      count: 4,
      message:
        'training.pairsPerStep is 16, and the pool trainer deals the pairs of a step to 3 groups of 2 ranks: 2 of these have fewer than the others, and wait for them; take a multiple of 3, such as 15 or 18.',
    });
  });
});
