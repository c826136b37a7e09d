import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Message } from './chat-template.ts';
import { smallFiles } from './text-files.fixture.ts';
import type { TextFiles } from './text-files.ts';
import { TextModel } from './text-model.ts';

/** A sample of what `npm run conformance` compares, with the answers of the Python libraries of `versions`. */
interface Fixture {
  readonly versions: Readonly<Record<string, string>>;
  readonly tokenizers: Readonly<
    Record<string, { files: TextFiles; texts: string[]; ids: number[][]; lists: number[][]; decoded: string[] }>
  >;
  /** A prompt is null where the template raises. */
  readonly templates: Readonly<
    Record<string, { template: string; prompts: { messages: Message[]; prompt: string | null }[] }>
  >;
}

const { tokenizers, templates } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/conformance.json'), 'utf8'),
) as Fixture;

describe.each(Object.entries(tokenizers))('the tokenizer "%s"', (_, { files, texts, ids, lists, decoded }) => {
  const text = TextModel.fromFiles(files);

  it('gives the ids and the texts of AutoTokenizer', () => {
    expect(text.encodeAll(texts).map((each) => [...each])).toEqual(ids);
    expect(text.decodeAll(lists)).toEqual(decoded);
  });
});

const TOKENS = { bos_token: '<s>', eos_token: '</s>', pad_token: '<pad>', unk_token: '<unk>' };

it.each(Object.entries(templates))('the template "%s" renders as apply_chat_template does', (_, { template, prompts }) => {
  const files = { 'chat_template.jinja': template, 'tokenizer_config.json': JSON.stringify(TOKENS) };
  const rendered = prompts.map(({ messages }) => {
    try {
      return TextModel.fromFiles(smallFiles(files)).renderPrompt(messages);
    } catch {
      return null;
    }
  });
  expect(rendered).toEqual(prompts.map(({ prompt }) => prompt));
});
