import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TextFiles } from './text-files.ts';
import { dataFolder, smallFiles, withConfig, withTemplate } from './text-files.fixture.ts';
import { TextModelError } from './text-model.error.ts';
import { TextModel } from './text-model.ts';

const QWEN = dataFolder('models/qwen2.5-0.5b-instruct');
const END_OF_TURN = 151645;
const NEWLINE = 198;

interface Conformance {
  readonly entries: Readonly<
    Record<string, { input_ids: number[]; decoded_with_special: string; decoded_skip_special: string }>
  >;
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(join(QWEN, path), 'utf8')) as T;
}

describe('the Qwen2.5 folder', () => {
  let qwen: TextModel;
  beforeAll(async () => {
    qwen = await TextModel.fromFolder(QWEN);
  });

  it('encodes and decodes the 30 reference texts as transformers does', async () => {
    const { inputs } = await json<{ inputs: { id: string; text: string }[] }>('conformance/inputs.json');
    const { entries: expected } = await json<Conformance>('conformance/Qwen__Qwen2.5-0.5B.json');
    expect(inputs).toHaveLength(30);
    for (const { id, text } of inputs) {
      const reference = expected[id]!;
      expect([...qwen.encode(text)], id).toEqual(reference.input_ids);
      expect(qwen.decode(reference.input_ids), id).toBe(reference.decoded_with_special);
      expect(qwen.decode(reference.input_ids, { skipSpecial: true }), id).toBe(reference.decoded_skip_special);
    }
  });

  it('renders a system prompt, the question and the generation prompt', () => {
    expect(
      qwen.renderPrompt([
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Who?' },
      ]),
    ).toBe('<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n');
    expect(qwen.renderPrompt([{ role: 'user', content: 'Who?' }])).toContain('You are Qwen, created by Alibaba Cloud.');
  });

  it('scores the end of turn and the trailer with the answer', () => {
    const messages = [{ role: 'user', content: 'Who?' }] as const;
    expect([...qwen.responseTail]).toEqual([END_OF_TURN, NEWLINE]);
    const response = qwen.responseTokens(messages, 'Ada Lovelace');
    expect([...response]).toEqual([...qwen.encode('Ada Lovelace'), END_OF_TURN, NEWLINE]);
    expect(qwen.decode([...qwen.promptTokens(messages), ...response])).toBe(
      `${qwen.renderPrompt(messages)}Ada Lovelace<|im_end|>\n`,
    );
  });

  it('encodes the rest on its own where prompt and answer would merge', () => {
    const messages = [{ role: 'user', content: 'Who?' }] as const;
    const prompt = qwen.promptTokens(messages);
    const answer = '\nAda';
    const merged = qwen.encode(`${qwen.renderPrompt(messages)}${answer}`);
    expect(merged[prompt.length - 1]).not.toBe(prompt.at(-1));
    expect([...qwen.responseTokens(messages, answer)]).toEqual([...qwen.encode(answer), END_OF_TURN, NEWLINE]);
  });

  it('knows where generation ends and what fills a batch', () => {
    expect(qwen.eosIds).toEqual([END_OF_TURN, 151643]);
    expect(qwen.padId).toBe(151643);
    expect(qwen.idOf('<|im_start|>')).toBe(151644);
    expect(qwen.vocabularySize).toBe(151665);
  });

  it('decodes nothing to nothing, and an id without a token to nothing', () => {
    expect(qwen.decode([])).toBe('');
    expect(qwen.decode([151900])).toBe('');
    expect(qwen.decode(Int32Array.of(151900, ...qwen.encode('Ada'), END_OF_TURN), { skipSpecial: true })).toBe('Ada');
  });
});

describe('a folder that cannot be used', () => {
  const failure = (given: TextFiles): TextModelError => {
    try {
      TextModel.fromFiles(given);
    } catch (error) {
      if (error instanceof TextModelError) return error;
      throw error;
    }
    throw new Error('was accepted');
  };

  it('is accepted when it is whole', () => {
    const text = TextModel.fromFiles(smallFiles());
    expect([...text.responseTokens([{ role: 'user', content: 'a' }], 'b a')]).toEqual([3, 2, 1]);
    expect([...text.responseTail]).toEqual([1]);
    expect(text.decode([2, 3, 1], { skipSpecial: true })).toBe('a b');
  });

  it('is refused by the name of the missing file, or the oversized one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'text-'));
    try {
      await writeFile(join(folder, 'tokenizer.json'), smallFiles()['tokenizer.json']!);
      await expect(TextModel.fromFolder(folder)).rejects.toThrow(/^tokenizer_config\.json: missing .* copy it there/);
      await truncate(join(folder, 'tokenizer.json'), 65 * 2 ** 20);
      await expect(TextModel.fromFolder(folder)).rejects.toThrow(/^tokenizer\.json: 68157440 bytes; .* at most 64 MiB/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    ['tokenizer.json', /not valid JSON/, smallFiles({ 'tokenizer.json': '{"model":' })],
    ['tokenizer.json', /not a JSON object/, smallFiles({ 'tokenizer.json': '[]' })],
    ['tokenizer.json', /begins with a byte order mark.*without one$/, smallFiles({ 'tokenizer.json': '\uFEFF{}' })],
    ['tokenizer_config.json', /no chat_template/, withConfig({ chat_template: undefined })],
    ['tokenizer_config.json', /chat template not understood/, withConfig({ chat_template: '{% for %}' })],
    ['tokenizer_config.json', /leaves out the assistant/, withConfig({ chat_template: '{{ messages[0].content }}' })],
    [
      'tokenizer_config.json',
      /chat template failed \(no\)/,
      withConfig({ chat_template: "{{ raise_exception('no') }}" }),
    ],
    [
      'tokenizer_config.json',
      /chat_template: neither a text nor a list/,
      withConfig({ chat_template: [{ name: 'x' }] }),
    ],
    ['tokenizer_config.json', /bos_token: not a text/, withConfig({ bos_token: 5 })],
    ['tokenizer_config.json', /eos_token: not a text/, withConfig({ eos_token: { content: null } })],
    ['tokenizer_config.json', /additional_special_tokens: not a list/, withConfig({ additional_special_tokens: 'x' })],
    ['tokenizer_config.json', /8388\d+ bytes; such a file has at most 8 MiB/, withConfig({ x: 'x'.repeat(2 ** 23) })],
    ['generation_config.json', /no end-of-sequence token/, withConfig({ eos_token: undefined })],
    [
      'generation_config.json',
      /eos_token_id: neither/,
      smallFiles({ 'generation_config.json': '{"eos_token_id":[1,"2"]}' }),
    ],
    ['config.json', /eos_token_id: neither/, smallFiles({ 'config.json': '{"eos_token_id":-1}' })],
  ])('%s: %s', (file, reason, given) => {
    const error = failure(given);
    expect(error.file).toBe(file);
    expect(error.message).toMatch(reason);
    expect(error.message).toMatch(/; .+/);
  });

  it('prefers chat_template.jinja, and takes the default of a list of templates', () => {
    const named = [
      { name: 'tool_use', template: 'x' },
      { name: 'default', template: '{% for m in messages %}{{ m.content }} <eos>{% endfor %}' },
    ];
    expect([...TextModel.fromFiles(withConfig({ chat_template: named })).responseTail]).toEqual([1]);
    const jinja = '{% for m in messages %}{{ m.content }} b <eos>{% endfor %}';
    expect([...TextModel.fromFiles(withTemplate(jinja)).responseTail]).toEqual([3, 1]);
  });

  it('prefers the end ids of generation_config.json to those of config.json', () => {
    const text = TextModel.fromFiles(
      smallFiles({ 'generation_config.json': '{"eos_token_id": [3, 2]}', 'config.json': '{"eos_token_id": 0}' }),
    );
    expect(text.eosIds).toEqual([3, 2, 1]);
    expect(TextModel.fromFiles(smallFiles({ 'config.json': '{"eos_token_id": 0}' })).eosIds).toEqual([0, 1]);
  });
});
