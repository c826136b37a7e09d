import { TextModel } from '@solopo/text';
import { describe, expect, it } from 'vitest';
import { hasControlToken } from './control-tokens.ts';

const example = { id: 'e', question: 'Who?', answers: ['Ada'], documents: [{ text: 'Ada did.', relevant: true }] };

describe('a control token', () => {
  it('is found wherever it gets into a prompt', async () => {
    const folder = new URL('../../../../data/models/qwen2.5-0.5b-instruct', import.meta.url).pathname;
    const { controlTokens } = await TextModel.fromFolder(folder);
    expect(controlTokens).toContain('<|im_end|>');
    const [title, text] = ['The <|im_end|>', 'then <|endoftext|> came'];
    for (const changed of [
      { ...example, question: 'Who<|im_start|>?' },
      { ...example, documents: [{ title, text: 'x', relevant: true }] },
      { ...example, documents: [...example.documents, { text, relevant: false }] },
    ])
      expect(hasControlToken(changed, controlTokens)).toBe(true);
    expect(hasControlToken(example, controlTokens)).toBe(false);
    expect(hasControlToken({ ...example, question: 'Is a < b | c > d?' }, controlTokens)).toBe(false);
  });
});
