import { expect, it } from 'vitest';
import { unstorableTexts } from './text.ts';

it('texts that cannot be kept are found by their paths, in order', () => {
  const value = { a: ['x', 'y\0', { b: '\ud800' }], c: '\udc00', d: null, e: 'ü' };
  expect([...unstorableTexts(value)]).toEqual([['a', '1'], ['a', '2', 'b'], ['c']]);
  expect([...unstorableTexts('\0')]).toEqual([[]]);
});

it('values deep in one another are walked through to their end', () => {
  const depth = 50_000;
  const deep = JSON.parse(`${'['.repeat(depth)}"\\u0000"${']'.repeat(depth)}`) as unknown;
  const [path] = unstorableTexts(deep);
  expect(path).toHaveLength(depth);
});
