import { expect, it } from 'vitest';
import { inShort, readable } from './in-short.ts';
import { readJsonText } from './json-text.ts';
import { TextModelError } from './text-model.error.ts';

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

it('a file with values deep in one another is refused before anything walks through them', () => {
  expect(readJsonText(nested(100))).toHaveProperty('value');
  for (const depth of [101, 200_000]) expect(readJsonText(nested(depth))).toHaveProperty('fault');
});

it('a message quotes the beginning of a value, and keeps its own end', () => {
  const long = '\u{1F600}'.repeat(50_000);
  expect(inShort(long, 4)).toBe('"\u{1F600}\uFFFD...');
  expect(inShort(undefined)).toBe('undefined');
  const { message } = new TextModelError('tokenizer.json', `${long} is no token; save it again`);
  expect(message.length).toBeLessThan(2000);
  expect(message).toMatch(/^tokenizer\.json: .* is no token; save it again$/u);
  expect(message.isWellFormed()).toBe(true);
  expect(readable('as it is')).toBe('as it is');
});
