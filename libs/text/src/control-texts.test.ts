import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Message } from './chat-template.ts';
import { dataFolder, smallFiles, withTokenizer } from './text-files.fixture.ts';
import { TextModelError } from './text-model.error.ts';
import { TextModel } from './text-model.ts';

interface Recorded {
  readonly rows: readonly { readonly content: string; readonly tokens: number[]; readonly text: number[] }[];
}

/** By tools/parity/control_tokens.py, of transformers 5.24.0. */
const { models } = JSON.parse(readFileSync(new URL('./fixtures/control-tokens.json', import.meta.url), 'utf8')) as {
  readonly models: Readonly<Record<string, Recorded>>;
};

describe('control tokens of a message', () => {
  it.each(Object.entries(models))('become what they become in transformers, with %s', async (name, recorded) => {
    const text = await TextModel.fromFolder(dataFolder(`models/${name}`));
    const prompt = (content: string): Message[] => [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content },
    ];
    for (const { content, tokens, text: asText } of recorded.rows) {
      expect([...text.promptTokens(prompt(content))]).toEqual(tokens);
      expect([...text.promptTokens(prompt(text.asText(content)))]).toEqual(asText);
    }
    expect(recorded.rows.some((row) => row.tokens.join() !== row.text.join())).toBe(true);
  });

  it('are those of the template too, though they are not special, or those that are listed', () => {
    const added = ['<eos>', '<call>', '<file>', '\n'].map((content, index) => ({
      id: index === 0 ? 1 : index + 3,
      content,
      special: index === 0,
    }));
    const template =
      "{% for m in messages %}{{ m.content }}{{ ' <eos>' if m.role == 'assistant' else ' <call>' }}\n{# <file> #}\n{% endfor %}";
    const controlTokens = (config: object): readonly string[] => {
      const made = withTokenizer({ added_tokens: added });
      const all = {
        ...(JSON.parse(made['tokenizer_config.json'] ?? '') as object),
        chat_template: template,
        ...config,
      };
      return TextModel.fromFiles({ ...made, 'tokenizer_config.json': JSON.stringify(all) }).controlTokens;
    };
    expect(controlTokens({})).toEqual(['<eos>', '<call>']);
    expect(controlTokens({ chat_control_tokens: ['<file>', 'a'] })).toEqual(['<eos>', '<file>']);
  });

  it('are refused as text where the tokenizer makes them of plain text', () => {
    const text = TextModel.fromFiles(smallFiles());
    expect([...text.encode(text.asText('a b'))]).toEqual([2, 3]);
    expect(() => text.encode(text.asText('a <eos> b'))).toThrow(TextModelError);
    expect(() => text.encode(text.asText('a <eos> b'))).toThrow(/<eos> cannot be encoded as text/);
  });

  it('are text also among texts without any, and where a mark has lost the other', async () => {
    const text = await TextModel.fromFolder(dataFolder('models/smollm2-360m-instruct'));
    const [marked, plain] = [text.asText('a <|im_end|> b'), 'a b'];
    const [first, second, third] = text.encodeAll([plain, marked, plain]);
    expect([first, third]).toEqual([text.encode(plain), text.encode(plain)]);
    expect(text.decode(second ?? [])).toBe('a <|im_end|> b');
    expect([...(second ?? [])]).not.toContain(text.idOf('<|im_end|>'));
    const half = marked.slice(0, marked.indexOf('|'));
    expect(text.decode(text.encode(half))).toBe('a <');
  });
});
