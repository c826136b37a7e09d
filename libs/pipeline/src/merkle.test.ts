import { sha256 } from '@solopo/contracts';
import { expect, it } from 'vitest';
import { merkleRoot } from './merkle.ts';

const bytes = (...parts: (string | number)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part, 'hex'))));
const leaf = (digest: string) => sha256(bytes(0, digest));
const node = (left: string, right: string) => sha256(bytes(1, left, right));
const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => sha256(name)) as [
  string,
  string,
  string,
  string,
  string,
];

it('is the root of RFC 9162, whose left trees are whole', () => {
  expect(merkleRoot([])).toBe(sha256(''));
  expect(merkleRoot([a])).toBe(leaf(a));
  expect(merkleRoot([a, b])).toBe(node(leaf(a), leaf(b)));
  expect(merkleRoot([a, b, c])).toBe(node(node(leaf(a), leaf(b)), leaf(c)));
  const four = node(node(leaf(a), leaf(b)), node(leaf(c), leaf(d)));
  expect(merkleRoot([a, b, c, d])).toBe(four);
  expect(merkleRoot([a, b, c, d, e])).toBe(node(four, leaf(e)));
});

it('is another one when leaves are swapped, added or lost', () => {
  const roots = [
    [a, b, c],
    [b, a, c],
    [a, b],
    [a, b, c, c],
    [a, c],
  ].map(merkleRoot);
  expect(new Set(roots).size).toBe(5);
});
