import { describe, expect, it } from 'vitest';
import { withTokenizer } from './text-files.fixture.ts';
import { TextModelError } from './text-model.error.ts';
import { TextModel } from './text-model.ts';

const eos = { id: 1, content: '<eos>', special: true, normalized: false };
const pad = { id: 4, content: '<pad>', special: true, normalized: false };
const tool = { id: 5, content: '<tool>', special: false, normalized: false };
const modelOf = (
  vocabSize: number | undefined,
  added: readonly object[] = [pad, tool],
  model: object = {},
): TextModel =>
  TextModel.fromFiles({
    ...withTokenizer({ added_tokens: [eos, ...added] }, model),
    'config.json': JSON.stringify({ model_type: 'llama', vocab_size: vocabSize }),
  });

describe('tokens that were added to the tokenizer and not to the model', () => {
  it('were refused with the whole folder, and are told by name: of texts without them the ids are the same', () => {
    const text = modelOf(4);
    expect([...text.withoutRow]).toEqual([
      [4, '<pad>'],
      [5, '<tool>'],
    ]);
    expect([...text.encode('a b')]).toEqual([2, 3]);
    expect(modelOf(5).withoutRow).toEqual(new Map([[5, '<tool>']]));
    for (const all of [modelOf(6), modelOf(undefined)]) {
      expect(all.withoutRow.size).toBe(0);
      expect([...all.encode('a <pad> <tool>')]).toEqual([2, 4, 5]);
    }
  });

  it.each(['<pad>', '<tool>'])('are refused by name where a text has one: %s', (token) => {
    const text = modelOf(4);
    const encoded = (): unknown => text.encode(`a ${token} b`);
    expect(encoded).toThrow(TextModelError);
    expect(encoded).toThrow(new RegExp(`${token} has the id \\d, for which vocab_size .*resize_token_embeddings`));
    expect(() => text.promptTokens([{ role: 'user', content: token }])).toThrow(token);
    expect(() => text.responseTokens([{ role: 'user', content: 'a' }], token)).toThrow(token);
  });

  it('are refused also where a model that has rows for them encoded the text before', () => {
    const known = ['a <pad> b a'];
    expect(modelOf(6).encodeKept(known)).toEqual([Int32Array.of(2, 4, 3, 2)]);
    expect(() => modelOf(4).encodeKept(known)).toThrow('<pad> has the id 4');
  });

  it('are control tokens, and are encoded as the text that they are where these are', () => {
    const text = modelOf(4);
    expect(text.controlTokens).toEqual(['<eos>', '<pad>', '<tool>']);
    expect([...text.encode(text.asText('a <pad> b <tool>'))]).toEqual([2, 0, 3, 0]);
  });

  it('are not those of another model, whose own vocabulary has no room either', () => {
    const vocab = { '<unk>': 0, '<eos>': 1, a: 2, b: 3, c: 6 };
    expect(modelOf(4, [pad, tool], { vocab }).withoutRow.size).toBe(0);
  });
});
