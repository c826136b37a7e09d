import { expect, test } from 'vitest';
import { GradientWatch } from './gradient-watch.ts';

test('a norm of more than ten times the median of the steps before is a spike, once ten are known', () => {
  const watch = new GradientWatch();
  expect(watch.isSpike('a', 100)).toBe(false);
  for (let step = 0; step < 9; step++) expect(watch.isSpike('a', 1)).toBe(false);
  expect(watch.isSpike('a', 10)).toBe(false);
  expect(watch.isSpike('a', 10.1)).toBe(true);
  expect(watch.isSpike('a', 1)).toBe(false);
  expect(watch.isSpike('b', 10.1)).toBe(false);
});

test('the last fifty steps count: what was once a spike is ordinary when it stays', () => {
  const watch = new GradientWatch();
  for (let step = 0; step < 50; step++) watch.isSpike('a', 1);
  const spikes = Array.from({ length: 40 }, () => watch.isSpike('a', 20));
  expect(spikes.slice(0, 25)).toEqual(Array.from({ length: 25 }, () => true));
  expect(spikes.at(-1)).toBe(false);
});
