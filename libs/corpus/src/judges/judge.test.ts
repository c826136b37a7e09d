import { describe, expect, it } from 'vitest';
import { judge } from './judge.ts';

describe('sub-em', () => {
  it.each([
    ['The answer is g. stanley  hall.', ['G. Stanley Hall', 'Stanley Hall'], true],
    ['It was Stanley\nHall', ['G. Stanley Hall', 'Stanley Hall'], true],
    ['Cafe\u0301 de Flore', ['CAFÉ DE FLORE'], true],
    ['G. Stanley', ['G. Stanley Hall', 'Stanley Hall'], false],
    ['', ['x'], false],
    ['anything', [' '], false],
  ])('%j against %j: %s', (text, answers, right) => {
    expect(judge('sub-em', text, answers)).toBe(right);
  });
});

describe('exact', () => {
  it.each([
    [' anchor   arrow\n', ['anchor arrow'], true],
    ['second', ['first', 'second'], true],
    ['anchor arrow basket', ['anchor arrow'], false],
    ['Anchor arrow', ['anchor arrow'], false],
    [' ', [' '], false],
  ])('%j against %j: %s', (text, answers, right) => {
    expect(judge('exact', text, answers)).toBe(right);
  });
});
