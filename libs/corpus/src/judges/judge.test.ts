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
    ['The Beatles played.', ['Beatles'], true],
    ['He lived in the US.', ['U.S.'], true],
    ['Answer:Paris', ['Paris'], true],
    ['from 1990–1995', ['1990'], true],
    ["the king's men", ['King'], true],
    ['She wrote C++', ['C++'], true],
    ['It got an A', ['A'], true],
    ['It got a B', ['An A'], false],
  ])('%j against %j: %s', (text, answers, right) => {
    expect(judge({ judge: 'sub-em', normalization: 'hotpotqa' }, text, answers)).toBe(right);
  });

  it.each([
    ['Norway', 'no', false],
    ['I do not know', 'no', false],
    ['No, they are not.', 'no', true],
    ['**Yes**', 'yes', true],
    ['Yes, no doubt about it', 'no', false],
    ['Yes, no doubt about it', 'yes', true],
    ['eyes', 'yes', false],
  ])('finds whole words: %j against %j: %s', (text, answer, right) => {
    expect(judge({ judge: 'sub-em', normalization: 'hotpotqa' }, text, [answer])).toBe(right);
  });

  it.each([
    ['Chinese', '答案是巴黎。', '巴黎', true],
    ['Chinese, of Latin letters', '他住在Paris的郊区', 'Paris', true],
    ['Chinese, of a number', '生于1990年', '1990', true],
    ['Chinese, of a part of a number', '生于19901年', '1990', false],
    ['Japanese', '首都は東京です。', '東京', true],
    ['Japanese, with a long vowel', 'ユーザーです', 'ユーザー', true],
    ['Thai', 'เมืองหลวงคือกรุงเทพมหานครครับ', 'กรุงเทพมหานคร', true],
    ['Korean, with a particle', '수도는 서울입니다', '서울', true],
    ['Cyrillic', 'Это Москва.', 'москва', true],
    ['Cyrillic, within a word', 'Замосквачье', 'москва', false],
    ['Hindi', 'राजधानी दिल्ली है।', 'दिल्ली', true],
    ['Hindi, within a letter', 'दिल्ली', 'दिल', false],
    ['Arabic', 'عاصمتها القاهرة، نعم', 'القاهرة', true],
  ])('knows how scripts part words: %s', (_, text, answer, right) => {
    expect(judge({ judge: 'sub-em', normalization: 'hotpotqa' }, text, [answer])).toBe(right);
  });

  it.each([
    ['Norway', 'no', true],
    ['-5 degrees', '-5', true],
    ['5 degrees', '-5', false],
  ])('without normalisation compares characters: %j against %j: %s', (text, answer, right) => {
    expect(judge({ judge: 'sub-em', normalization: 'none' }, text, [answer])).toBe(right);
    expect(judge({ judge: 'sub-em' }, text, [answer])).toBe(right);
  });
});

describe('exact', () => {
  it.each([
    [' anchor   arrow\n', ['anchor arrow'], true],
    ['second', ['first', 'second'], true],
    ['anchor arrow basket', ['anchor arrow'], false],
    ['Anchor arrow', ['anchor arrow'], true],
    ['Yes.', ['yes'], true],
    ['Paris.', ['Paris'], true],
    ['the Beatles', ['Beatles'], true],
    ['1,000', ['1000'], true],
    ['「巴黎」。', ['巴黎'], true],
    ['The', ['A'], false],
    ['a.', ['A'], true],
    ['C', ['C++'], true],
    ['+', ['-'], false],
    [' ', [' '], false],
    ['.', [''], false],
  ])('%j against %j: %s', (text, answers, right) => {
    expect(judge({ judge: 'exact', normalization: 'hotpotqa' }, text, answers)).toBe(right);
  });

  it.each([
    [' anchor   arrow\n', 'anchor arrow', true],
    ['Anchor arrow', 'anchor arrow', false],
    ['Paris.', 'Paris', false],
    [' ', ' ', false],
  ])('without normalisation compares characters: %j against %j: %s', (text, answer, right) => {
    expect(judge({ judge: 'exact', normalization: 'none' }, text, [answer])).toBe(right);
  });
});
