import { describe, expect, test } from 'vitest';
import { fullMatches } from './python-pattern.ts';

const names = [
  'model.layers.0.self_attn.q_proj',
  'model.layers.0.self_attn.k_proj',
  'model.layers.10.mlp.up_proj',
  'model.norm',
  'lm_head',
];
const matched = (pattern: string): readonly string[] => [...fullMatches(pattern, names, 'target_modules')];

describe("Python's regular expressions", () => {
  test.each([
    ['model', []],
    ['model.*', names.slice(0, 4)],
    ['.*(q|k)_proj', names.slice(0, 2)],
    ['q_proj|lm_head', ['lm_head']],
    [String.raw`.*\.[qk]_proj\Z`, names.slice(0, 2)],
    [String.raw`\Amodel\.layers\.\d{2,}\..*`, [names[2]]],
    [String.raw`.*\.\d{,1}\.self_attn\.q\_proj`, [names[0]]],
    [String.raw`(?P<root>model)\.(?#the last norm)norm`, ['model.norm']],
    ['(?i)LM_HEAD', ['lm_head']],
    [String.raw`(?!.*mlp).*_proj`, names.slice(0, 2)],
    [String.raw`.*(?<=q_)proj`, [names[0]]],
    ['[]l]m_head', ['lm_head']],
    ['[^]m]m_head', ['lm_head']],
    [String.raw`[\w\-.]*_head`, ['lm_head']],
    [String.raw`(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|mlp)\.(?:(?:k_proj|up_proj)))`, names.slice(1, 3)],
    ['lm_head{}|lm_head', ['lm_head']],
    ['(?:lm)?_head|l+m_hea[a-e]', ['lm_head']],
  ])('%s', (pattern, expected) => {
    expect(matched(pattern)).toEqual(expected);
  });

  test.each([
    [String.raw`(q)\1`, /target_modules: the regular expression "\(q\)\\\\1" has \\1, which is not read/],
    ['(?P<a>q)(?P=a)', /has "\(\?P=", which is not read/],
    ['(?>model).*', /has "\(\?>m", which is not read/],
    ['(a)?(?(1)b|c)', /has "\(\?\(1", which is not read/],
    ['.*+', /possessive repetition/],
    ['(?x)model', /which is not read/],
    ['[ab', /has a \[ without its \]/],
    ['(model', /cannot be read; correct it/],
    ['model\\', /ends with a backslash/],
    [String.raw`\Gmodel`, /has \\G, which is not read/],
  ])('%s is refused by name', (pattern, message) => {
    expect(() => matched(pattern)).toThrow(message);
  });

  test('one that backtracks for ever is stopped', () => {
    expect(() => fullMatches('(([a-z]|[0-z])+)+!', [`${'a'.repeat(60)}`], 'target_modules')).toThrow(/takes too long/);
  });
});
