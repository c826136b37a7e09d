import { alignmentSchema, sha256 } from '@solopo/contracts';
import { expect, test } from 'vitest';
import { isAligned, referenceRowsOf } from './aligned-pairs.ts';

const digests = Array.from({ length: 4000 }, (_, i) => sha256(`pair ${i}`));
const spec = (fraction: number, seed = 1) => ({
  alignment: alignmentSchema.parse({ fraction, reference: 'per-context' }),
  seed,
});
const share = (fraction: number, seed?: number) => digests.filter((digest) => isAligned(spec(fraction, seed), digest));

test('about the asked share of the pairs is drawn, others by another seed, all where p is 1', () => {
  expect(share(0.25).length / digests.length).toBeCloseTo(0.25, 1);
  expect(share(0.25)).toEqual(share(0.25));
  expect(share(0.25, 2)).not.toEqual(share(0.25));
  expect(share(1)).toEqual(digests);
});

test('a greater share holds the smaller one', () => {
  const more = new Set(share(0.5));
  expect(share(0.25).every((digest) => more.has(digest))).toBe(true);
});

test('a pair that is not aligned reads no long reference', () => {
  const objective = { kind: 'dpo', beta: 0.1, loss: 'sigmoid', labelSmoothing: 0 } as const;
  const aligned = new Set(share(0.25));
  const train = { ...spec(0.25), arm: 'solo' as const, objective };
  for (const digest of digests.slice(0, 50))
    expect(referenceRowsOf(train, digest)).toHaveLength(aligned.has(digest) ? 3 : 2);
});
