import { beforeAll, describe, expect, it } from 'vitest';
import { dataFile, dataFolder, smallFiles, withTokenizer } from './text-files.fixture.ts';
import type { TextFiles } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';
import { TextModel } from './text-model.ts';

const SMOLLM2 = 'models/smollm2-360m-instruct';

describe('the SmolLM2 folder', () => {
  let smol: TextModel;
  beforeAll(async () => {
    smol = await TextModel.fromFolder(dataFolder(SMOLLM2));
  });

  it('encodes and decodes the reference texts as the tokenizers library does', () => {
    const { entries } = JSON.parse(dataFile(`${SMOLLM2}/conformance/encodings.json`)) as {
      entries: {
        id: string;
        text: string;
        input_ids: number[];
        decoded_with_special: string;
        decoded_skip_special: string;
      }[];
    };
    expect(entries).toHaveLength(33);
    for (const { id, text, input_ids, decoded_with_special, decoded_skip_special } of entries) {
      expect([...smol.encode(text)], id).toEqual(input_ids);
      expect(smol.decode(input_ids), id).toBe(decoded_with_special);
      expect(smol.decode(input_ids, { skipSpecial: true }), id).toBe(decoded_skip_special);
    }
  });

  it('gives back what was encoded, and cuts and fills nothing though its file says so', () => {
    expect(JSON.parse(dataFile(`${SMOLLM2}/tokenizer.json`))).toMatchObject({ truncation: { max_length: 128 } });
    expect(smol.encode('a')).toHaveLength(1);
    for (const text of ['a', 'one two\n\n  three\t', 'héllo 日本 😀', '12 345,67', 'word '.repeat(1000)]) {
      expect(smol.decode(smol.encode(text))).toBe(text);
    }
    expect(smol.encode('word '.repeat(1000)).length).toBeGreaterThan(1000);
  });

  it('takes every digit alone, in any script', () => {
    const digits = (text: string) => [...smol.encode(text)].map((id) => smol.decode([id]));
    expect(digits('1984')).toEqual(['1', '9', '8', '4']);
    expect(digits('in 1984')).toEqual(['in', ' ', '1', '9', '8', '4']);
    expect([...smol.encode('x²½')]).toEqual([...smol.encode('x'), ...smol.encode('²'), ...smol.encode('½')]);
  });

  it('knows where generation ends and what fills a batch', () => {
    expect([smol.eosIds, smol.padId, smol.vocabularySize]).toEqual([[2], 49152, 49153]);
  });
});

describe('a tokenizer.json', () => {
  const refusal = (files: TextFiles): string => {
    try {
      TextModel.fromFiles(files);
    } catch (error) {
      if (error instanceof TextModelError && error.file === 'tokenizer.json') return error.message;
      throw error;
    }
    throw new Error('was accepted');
  };
  const bpe = (model: object) =>
    withTokenizer(
      {},
      {
        type: 'BPE',
        unk_token: null,
        continuing_subword_prefix: null,
        vocab: { '<eos>': 1, a: 2, b: 3, ab: 4 },
        ...model,
      },
    );

  it('with merges as texts or as pairs is read', () => {
    for (const merges of [['a b'], [['a', 'b']]]) {
      expect([...TextModel.fromFiles(bpe({ merges })).encode('ab')]).toEqual([4]);
    }
  });

  it('cut off anywhere is refused', () => {
    const whole = smallFiles()['tokenizer.json']!;
    for (let length = 0; length < whole.length; length += 7) {
      expect(refusal(smallFiles({ 'tokenizer.json': whole.slice(0, length) }))).toMatch(
        /^tokenizer\.json: not valid JSON/,
      );
    }
  });

  it.each<[string, RegExp, TextFiles]>([
    ['without a model', /model: not an object/, withTokenizer({ model: undefined })],
    ['of an unknown model', /model\.type: not one of BPE/, withTokenizer({}, { type: 'Char' })],
    ['without a decoder', /decoder: neither null nor/, withTokenizer({ decoder: undefined })],
    ['with a list for a normalizer', /normalizer: neither null nor/, withTokenizer({ normalizer: [] })],
    [
      'with an unknown normalizer',
      /did not match any variant of .* Normalizer/,
      withTokenizer({ normalizer: { type: 'X' } }),
    ],
    ['without a vocabulary', /model\.vocab: not an object/, withTokenizer({}, { vocab: undefined })],
    ['with a list for a vocabulary', /model\.vocab: not an object/, withTokenizer({}, { vocab: ['a'] })],
    [
      'with a text for an id',
      /model\.vocab: "a": has the id "2", not a whole/,
      withTokenizer({}, { vocab: { a: '2' } }),
    ],
    ['with a huge id', /model\.vocab: "a": has the id 4294967294/, withTokenizer({}, { vocab: { a: 4294967294 } })],
    ['with a negative id', /model\.vocab: "a": has the id -1/, withTokenizer({}, { vocab: { a: -1 } })],
    ['with an id for two', /"a" and "b" both have id 2/, withTokenizer({}, { vocab: { a: 2, b: 2 } })],
    ['with an unknown unknown', /model\.unk_token: neither/, withTokenizer({}, { unk_token: 'zz' })],
    ['without merges', /model\.merges: not a list/, bpe({})],
    ['with a merge of one', /model\.merges\[1\]: not a pair/, bpe({ merges: ['a b', 'ab'] })],
    ['with a merge of three', /model\.merges\[0\]: not a pair/, bpe({ merges: [['a', 'b', 'c']] })],
    ['with merges of both kinds', /model\.merges\[1\]: not a pair/, bpe({ merges: [['a', 'b'], 'a b'] })],
    ['with a merge into nothing', /model\.merges\[0\]: "ba" is not in model\.vocab/, bpe({ merges: ['b a'] })],
    [
      'with a merge shorter than its prefix',
      /model\.merges\[0\]: "b" is shorter than continuing_subword_prefix/,
      bpe({ merges: ['a b'], continuing_subword_prefix: '##' }),
    ],
    ['with added tokens that are none', /added_tokens: not a list/, withTokenizer({ added_tokens: {} })],
    [
      'with an empty added token',
      /added_tokens\[0\]\.content: not a text/,
      withTokenizer({ added_tokens: [{ id: 1, content: '' }] }),
    ],
    [
      'with an added token without id',
      /added_tokens\[0\]: "x": has the id undefined/,
      withTokenizer({ added_tokens: [{ content: 'x' }] }),
    ],
    [
      'with an added token for another',
      /added_tokens\[0\]: "x" has the id 2 of "a"/,
      withTokenizer({ added_tokens: [{ id: 2, content: 'x' }] }),
    ],
    [
      'with Unigram pieces without scores',
      /model\.vocab\[1\]: not a pair/,
      withTokenizer({}, { type: 'Unigram', vocab: [['a', 0], ['b']] }),
    ],
  ])('%s is refused by name', (_, reason, files) => {
    expect(refusal(files)).toMatch(reason);
    expect(refusal(files)).toMatch(/; save it again with the tokenizers library$/);
  });
});
