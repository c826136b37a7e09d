import { describe, expect, it } from 'vitest';
import { MADE_TOKENIZERS } from './made-tokenizers.fixture.ts';
import { smallFiles, withConfig, withTokenizer } from './text-files.fixture.ts';
import type { TextFiles } from './text-files.ts';
import { TextModel } from './text-model.ts';

describe.each(Object.entries(MADE_TOKENIZERS))('%s', (_, { files, ids }) => {
  it('gives the ids of AutoTokenizer', () => {
    const text = TextModel.fromFiles(files);
    expect(Object.fromEntries(Object.keys(ids).map((each) => [each, [...text.encode(each)]]))).toEqual(ids);
  });
});

describe('a tokenizer that AutoTokenizer makes by rules not known here', () => {
  it.each<[string, RegExp, TextFiles]>([
    [
      'another class',
      /tokenizer_class: transformers .* a T5Tokenizer .* PreTrainedTokenizerFast/,
      withConfig({ tokenizer_class: 'T5TokenizerFast' }),
    ],
    [
      'a byte-pair class, another model',
      /tokenizer_class: .* byte-pair .* has WordPiece/,
      withConfig({ tokenizer_class: 'GPT2Tokenizer' }),
    ],
    [
      'code of its publisher',
      /auto_map: .* never run here.* take it out$/,
      withConfig({ tokenizer_class: 'OurTokenizer', auto_map: { AutoTokenizer: ['ours.OurTokenizer', null] } }),
    ],
    ['a class without a name', /tokenizer_class: not the name of a class/, withConfig({ tokenizer_class: '' })],
    ['special tokens that are split', /split_special_tokens: .*; /, withConfig({ split_special_tokens: true })],
    [
      "another pattern than the file's",
      /fix_mistral_regex: .*; /,
      { ...withConfig({ fix_mistral_regex: true }), 'config.json': '{"model_type":"mistral"}' },
    ],
  ])('is refused by name: %s', (_, reason, files) => {
    expect(() => TextModel.fromFiles(files)).toThrow(reason);
  });

  it('is taken as it is where transformers does not know the class', () => {
    expect([...TextModel.fromFiles(withConfig({ tokenizer_class: 'OurTokenizer' })).encode('a b')]).toEqual([2, 3]);
  });
});

describe('a tokenizer.json that leaves out the type of its model, as older ones do', () => {
  it.each(Object.entries(MADE_TOKENIZERS).filter(([, { files }]) => modelOf(files)['type'] === 'BPE'))(
    'gives the same ids: %s',
    (_, { files, ids }) => {
      const { type: _type, ...model } = modelOf(files);
      const json = JSON.stringify({ ...(JSON.parse(files['tokenizer.json']!) as object), model });
      const text = TextModel.fromFiles({ ...files, 'tokenizer.json': json });
      expect(Object.fromEntries(Object.keys(ids).map((each) => [each, [...text.encode(each)]]))).toEqual(ids);
    },
  );
});

function modelOf(files: TextFiles): Record<string, unknown> {
  return (JSON.parse(files['tokenizer.json']!) as { model: Record<string, unknown> }).model;
}

describe('what is decoded', () => {
  it('keeps a byte order mark at its beginning', () => {
    const { files } = MADE_TOKENIZERS['GPT2Tokenizer with a space before the text']!;
    const tokenizer = JSON.parse(files['tokenizer.json']!) as { model: { vocab: Record<string, number> } };
    for (const byte of ['ï', '»', '¿']) tokenizer.model.vocab[byte] ??= Object.keys(tokenizer.model.vocab).length;
    const text = TextModel.fromFiles({ ...files, 'tokenizer.json': JSON.stringify(tokenizer) });
    expect(text.decode(text.encode('\uFEFFhello'))).toBe(' \uFEFFhello');
    expect(text.decode(text.encode('\uFEFFhello').slice(1))).toBe('\uFEFFhello');
  });

  it('keeps a further special token with flags, where they do not say that it is special', () => {
    const flags = { __type: 'AddedToken', lstrip: false, rstrip: false, normalized: false, single_word: false };
    const tokens = [
      { content: '<x>', ...flags },
      { content: '<y>', ...flags, special: true },
    ];
    const text = TextModel.fromFiles(withConfig({ additional_special_tokens: tokens }));
    expect(text.decode(text.encode('a<x><y>'), { skipSpecial: true })).toBe('a <x>');
  });

  it('is cleaned of spaces before punctuation where the file says so, but with byte-pair encoding', () => {
    const vocab = { '<unk>': 0, '<eos>': 1, a: 2, '.': 3 };
    const files = withTokenizer({}, { vocab });
    const config = (clean: boolean): TextFiles => ({
      ...files,
      'tokenizer_config.json': withConfig({ clean_up_tokenization_spaces: clean })['tokenizer_config.json']!,
    });
    expect(TextModel.fromFiles(config(true)).decode([2, 3])).toBe('a.');
    expect(TextModel.fromFiles(config(false)).decode([2, 3])).toBe('a .');
  });
});

describe('a tokenizer that ends its process', () => {
  it('is refused by name, and others go on', () => {
    const other = TextModel.fromFiles(smallFiles());
    const backtracks = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' };
    const hostile = TextModel.fromFiles(withTokenizer({ normalizer: backtracks }));
    expect([...hostile.encode('b')]).toEqual([3]);
    expect(() => hostile.encode(`${'a'.repeat(40)}b`)).toThrow(/^tokenizer\.json: cannot encode .* ended its process/);
    expect([...other.encode('a b')]).toEqual([2, 3]);
    expect([...hostile.encode('b')]).toEqual([3]);
  });
});
