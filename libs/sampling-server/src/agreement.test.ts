import { Random } from '@solopo/random';
import { describe, expect, it } from 'vitest';
import { adapterAgreement, demandAdapter, demandModel, distance, TOLERANCE } from './agreement.ts';

const TOKENS = 400;
const random = new Random('agreement');
const normal = (): number => Array.from({ length: 12 }, () => random.float()).reduce((a, b) => a + b, -6);
const draw = (scale: number): number[] => Array.from({ length: TOKENS }, () => scale * normal());
const plus = (a: readonly number[], b: readonly number[], share = 1): number[] =>
  a.map((x, i) => x + share * (b[i] ?? 0));

const own = draw(2).map((x) => x - 4);
const rounding = (): number[] => draw(0.03);
const change = draw(0.4);
const base = { own, served: plus(own, rounding()) };
const served = (share: number, scale = 1) => ({
  own: plus(own, change, scale),
  served: plus(plus(own, change, share * scale), rounding()),
});

describe("a server with the run's model", () => {
  it('differs by rounding; another model by more', () => {
    demandModel('u', 'base', base);
    expect(distance(base)).toBeGreaterThan(0.02);
    expect(() => demandModel('u', 'base', { own, served: plus(own, draw(2 * TOLERANCE)) })).toThrow(
      /u gives tokens other log-probabilities under base .* it has another model/,
    );
  });
});

describe('a served adapter', () => {
  it('changes what it changes in the engine', () => {
    const { share } = demandAdapter('u', 'a', base, served(1));
    expect(share).toBeCloseTo(1, 1);
  });

  it('that the server leaves out, so that the base model answers, is refused', () => {
    expect(() => demandAdapter('u', 'a', base, served(0))).toThrow(/answers for the adapter a as for its base model/);
    expect(() => demandAdapter('u', 'a', base, { own: served(1).own, served: base.served })).toThrow(
      /as for its base model/,
    );
  });

  it('of which the server takes half of the modules or another scale is refused', () => {
    expect(() => demandAdapter('u', 'a', base, served(0.5))).toThrow(/is 0\.[45]\d of the engine's/);
    expect(() => demandAdapter('u', 'a', base, served(2))).toThrow(
      /serves the adapter a otherwise than it was trained/,
    );
  });

  it('whose change is below what rounding does is refused only where it does nothing at all', () => {
    demandAdapter('u', 'a', base, served(1, 0.01));
    const tiny = served(1, 0.01);
    expect(() => demandAdapter('u', 'a', base, { own: tiny.own, served: base.served })).toThrow(
      /as for its base model/,
    );
  });

  it('that changes nothing yet has nothing to show', () => {
    expect(demandAdapter('u', 'a', base, { own, served: base.served }).change).toBe(0);
    expect(adapterAgreement(base, { own, served: base.served }).uncertainty).toBe(Infinity);
  });
});
