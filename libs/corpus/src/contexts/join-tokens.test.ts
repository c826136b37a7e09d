import { join } from 'node:path';
import { Random } from '@solopo/random';
import { TextModel } from '@solopo/text';
import { describe, expect, it } from 'vitest';
import { retrievalTokenizer } from '../retrieval/tokenizer.ts';
import { joinTokens } from './join-tokens.ts';
import { encodeStretches } from './pieces.ts';

const DATA = join(import.meta.dirname, '../../../../data/models');

/** What merges over a border, or is parted there otherwise than alone: digits, quotes, white space, marks, control tokens. */
const BORDERS = [
  ...['\n\n', '\n', '.\n', ' ', '', '. ', ' \n ', '\t', 'x', "'", '<|im_', '<|im_end|>', '1', '\r\n', '\u00a0'],
  ...['A', 'the', '1984', '²', "'s", '"Yes"', ' and', '\n', '\u0301', 'ﬁ', 'end|>', '日本', '\u1161', '—', 'É'],
];
const WORDS = ['documents', 'of', 'a', 'certain', 'length,', '1,234', 'naïve', '(so)', 'to', 'be', 'told.', '"quoted"'];

describe.each(['qwen2.5-0.5b-instruct', 'smollm2-360m-instruct', 'retrieval'])('with the tokenizer of %s', (model) => {
  it('gives what encoding the whole gives, whatever meets at the borders', async () => {
    const text =
      model === 'retrieval' ? TextModel.fromFiles(retrievalTokenizer()) : await TextModel.fromFolder(join(DATA, model));
    for (let seed = 0; seed < 60; seed++) {
      const random = new Random('joins', seed);
      const texts = Array.from({ length: random.between(1, 6) }, () => {
        const words = Array.from({ length: random.between(0, 30) }, () => random.pick(WORDS)).join(' ');
        return random.pick(BORDERS) + words + random.pick(BORDERS);
      });
      const stretches = encodeStretches(texts.slice(0, -1), text);
      const last = texts.at(-1)!;
      const joined = joinTokens([...stretches, { text: last, tokens: text.encode(last), beforeWord: false }], text);
      expect(joined.join(), JSON.stringify(texts)).toBe(text.encode(texts.join('')).join());
    }
  });
});
